// SPDX-License-Identifier: MIT
#include "privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

static int keep_net_admin(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = 1u << CAP_NET_ADMIN, .permitted = 1u << CAP_NET_ADMIN },
	};

	return syscall(SYS_capset, &h, data);
}

int privilege_drop(const char *user)
{
	struct passwd *pw;
	int err;

	errno = 0;
	pw = getpwnam(user);
	if (!pw) {
		log_err("no user %s", user);
		return errno ? -errno : -ENOENT;
	}
	if (initgroups(user, pw->pw_gid) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    prctl(PR_SET_KEEPCAPS, 1) || setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) ||
	    keep_net_admin() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
		err = -errno;
		log_err("cannot become %s: %s", user, strerror(-err));
		return err;
	}
	return 0;
}
