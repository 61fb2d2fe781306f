/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings.h"

#define MAGIC	0x75706773	/* "sgpu" */
#define SIZE_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW)
#define WRITE_SEALS	(F_SEAL_WRITE | 0x10 /* F_SEAL_FUTURE_WRITE */)

int share_dup(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

#define NAME	"softgpu-device-"

int share_create(size_t size, int number)
{
	char name[sizeof(NAME) + 11];
	int fd, high;

	snprintf(name, sizeof(name), NAME "%d", number);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && fd < 3) {
		high = share_dup(fd);
		close(fd);
		fd = high;
	}
	if (fd < 0)
		return -1;
	if (!ftruncate(fd, size) && !fcntl(fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -1;
}

CUdevice share_device(int fd)
{
	char path[64], target[128];
	ssize_t n;
	int number;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = 0;
	if (sscanf(target, "/memfd:" NAME "%d", &number) != 1)
		return -1;
	for (CUdevice dev = 0; dev < driver_devices(); dev++)
		if (device_number(dev) == number)
			return dev;
	return -1;
}

size_t share_size(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SIZE_SEALS) != SIZE_SEALS || (seals & WRITE_SEALS))
		return 0;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return 0;
	return st.st_size;
}

uint64_t share_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

uint64_t share_process_start(pid_t pid)
{
	char path[64], text[1024], *p;
	unsigned long long start;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');		/* the name may hold anything */
	/* proc_pid_stat(5): state is field 3, right behind the name; starttime is field 22. */
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X' ||
	    sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
		   "%*d %*d %llu", &start) != 1)
		return 0;
	return start;
}

void share_name(struct share_name *name, enum share_kind kind, int fd)
{
	*name = (struct share_name){
		.magic = MAGIC,
		.kind = kind,
		.pid = getpid(),
		.fd = fd,
		.start = share_process_start(getpid()),
		.inode = share_inode(fd),
		.size = share_size(fd),
	};
}

/*
 * O_PATH first: opening whatever the exporter may have at that number by now could block or have
 * effects. The second open is of a regular file that is the one meant.
 */
static int reopen(const struct share_name *name)
{
	char path[64];
	struct stat st;
	int fd, at;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", name->pid, name->fd);
	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0)
		return -1;
	if (fstat(at, &st) || !S_ISREG(st.st_mode) || st.st_ino != name->inode) {
		close(at);
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	close(at);
	return fd;
}

bool share_is_name(const struct share_name *name, enum share_kind kind)
{
	return name->magic == MAGIC && name->kind == kind;
}

int share_open(const struct share_name *name, enum share_kind kind)
{
	int fd;

	if (!share_is_name(name, kind) || name->pid <= 0 || name->fd < 0 || !name->start ||
	    share_process_start(name->pid) != name->start)
		return -1;
	fd = reopen(name);
	if (fd >= 0 && (share_size(fd) != name->size || share_inode(fd) != name->inode)) {
		close(fd);
		return -1;
	}
	return fd;
}
