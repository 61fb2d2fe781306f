# SPDX-License-Identifier: MIT
"""
gpupicture.py - groups of bars beside their native ones, as SVG: shorter is better, the dashed line is as long as natively,
a mark across a bar is its goal
"""
from xml.sax.saxutils import escape

LEFT, SCALE, CAP = 200, 200, 3.0       # pixels before the bars, of a ratio of 1; ratios above CAP are cut off
BAR, GAP = 14, 10                      # pixels: a bar's height, between groups
COLORS = ("#999999", "#2a7f9e", "#6fb1a0", "#d9a441", "#c0603a")


def text(x, y, what, more=""):
    return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, more, escape(what))


def bar(y, color, ratio, label, limit):
    width = min(ratio, CAP) * SCALE
    yield '<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (LEFT, y, width, BAR - 2, color)
    if ratio > CAP:
        yield '<path d="M%.1f %.1f l-6 %d" stroke="white" stroke-width="3"/>' % (LEFT + width - 8, y, BAR - 2)
    if limit and limit <= CAP:
        yield '<path d="M%.1f %.1f v%d" stroke="black" stroke-width="2"/>' % (LEFT + limit * SCALE, y - 1, BAR)
    met = "" if not limit else " \u2713" if ratio <= limit else " \u2717"
    yield text(LEFT + width + 5, y + BAR - 4, "%s, %.2f%s" % (label, ratio, met))


def legend(wheres):
    x = LEFT
    for where, color in zip(wheres, COLORS):
        yield '<rect x="%d" y="8" width="12" height="12" fill="%s"/>' % (x, color)
        yield text(x + 17, 18, where)
        x += 40 + 8 * len(where)


def draw(panels, wheres):
    """panels: (title, [(name, [(where, ratio to native, label, limit as a ratio or None)])])"""
    out, y = list(legend(wheres)), 36
    for title, groups in panels:
        if not groups:
            continue
        out.append(text(8, y + 12, title, 'font-weight="bold"'))
        top, y = y, y + 20
        for name, rows in groups:
            out.append(text(LEFT - 8, y + BAR * len(rows) / 2 + 4, name, 'text-anchor="end"'))
            for where, ratio, label, limit in rows:
                out += bar(y, COLORS[wheres.index(where) % len(COLORS)], ratio, label, limit)
                y += BAR
            y += GAP
        out.append('<path d="M%d %d V%d" stroke="#333" stroke-dasharray="3"/>' % (LEFT + SCALE, top + 16, y - GAP + 2))
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">' % (
        LEFT + CAP * SCALE + 150, y + 24)
    ground = '<rect width="100%" height="100%" fill="white"/>'
    note = text(LEFT, y + 12, "Beside a bar: the median, its ratio to the native one, whether the goal (the mark across) is met.")
    return "\n".join([head, ground, *out, note, "</svg>"]) + "\n"
