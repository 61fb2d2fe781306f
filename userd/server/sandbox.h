/* SPDX-License-Identifier: MIT */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

/*
 * Gives up what a worker never needs, before it has read a byte from anybody: further privileges,
 * being traced or dumped, outliving its server. 0 or -errno.
 */
int sandbox_enter(void);

#endif /* SERVER_SANDBOX_H */
