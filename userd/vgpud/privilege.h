/* SPDX-License-Identifier: MIT */
/* privilege.h - from root to a user who keeps one capability */
#ifndef VGPUD_PRIVILEGE_H
#define VGPUD_PRIVILEGE_H

/*
 * Becomes the user, with its groups and CAP_NET_ADMIN (to list sessions once more, when the
 * announcements outran the socket) and nothing else, for good. 0 or -errno, logged.
 */
int privilege_drop(const char *user);

#endif /* VGPUD_PRIVILEGE_H */
