/* To be preloaded: fsync, or pwrite, fails while the file that FAIL_FSYNC, or FAIL_WRITE, names is there.
   Needs no headers. */
extern int access(const char *path, int mode);
extern char *getenv(const char *name);
extern void *dlsym(void *handle, const char *name);
extern int *__errno_location(void);

static int fails(const char *variable) {
  const char *flag = getenv(variable);
  if (!flag || access(flag, 0) != 0) return 0;
  *__errno_location() = 5; /* EIO */
  return 1;
}

static int sync_unless_told(int descriptor, const char *name) {
  if (fails("FAIL_FSYNC")) return -1;
  int (*real)(int) = (int (*)(int))dlsym((void *)-1, name); /* RTLD_NEXT */
  return real(descriptor);
}

int fsync(int descriptor) { return sync_unless_told(descriptor, "fsync"); }
int fdatasync(int descriptor) { return sync_unless_told(descriptor, "fdatasync"); }

static long write_unless_told(int descriptor, const void *data, unsigned long size, long offset, const char *name) {
  if (fails("FAIL_WRITE")) return -1;
  long (*real)(int, const void *, unsigned long, long) =
      (long (*)(int, const void *, unsigned long, long))dlsym((void *)-1, name);
  return real(descriptor, data, size, offset);
}

long pwrite(int d, const void *data, unsigned long size, long at) { return write_unless_told(d, data, size, at, "pwrite"); }
long pwrite64(int d, const void *data, unsigned long size, long at) { return write_unless_told(d, data, size, at, "pwrite64"); }
