/* SPDX-License-Identifier: MIT */
/* notify.h - tells systemd how the service stands; does nothing where no NOTIFY_SOCKET is */
#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

/* state: as sd_notify(3) takes it, such as "READY=1" */
void notify(const char *state);

#endif /* COMMON_NOTIFY_H */
