/*
 * Stands for every program of a test guest: it is static, so it runs in a bare directory.
 *
 *   …/show ARG…          prints arguments, environment, working directory, umask and what stdin gives
 *   …/exit CODE          says something on both outputs and exits with CODE
 *   …/sleep              ignores SIGTERM and sleeps for a minute
 *   …/touch FILE         makes FILE
 *   …/rmdir DIRECTORY    removes it, as long as it is empty
 *   …/link TARGET NAME   makes a symbolic link
 *   …/write FILE TEXT    gives FILE that content
 *   …/append TEXT FILE…  adds TEXT at the end of each
 *   …/rename OLD NEW     gives a file another name
 *   …/grow FILE          makes it 64 MiB long
 *   …/cat FILE            prints FILE and then what stdin gives
 *   …/flood              says 6 MiB, waits a moment and says whether all of it is still kept
 *   …/babble             never stops talking
 *   …/terminal           says whether it has one
 *   …/lock FILE          takes FILE's lock as dpkg does, says "locked", waits until stdin ends
 *   …/dpkg ARG…          notes its arguments in /dpkg-called, and whether dpkg's lock is free
 *
 * What it does is in the first argument, or, as a script, in the last part of its own name.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int lock(const char *path) {
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = open(path, O_RDWR);
  return fd < 0 ? -1 : fcntl(fd, F_SETLK, &all);
}

static int print_all(FILE *file) {
  if (!file) return 1;
  for (int byte; (byte = getc(file)) != EOF;) putchar(byte);
  return 0;
}

static int show(int argc, char **argv) {
  char buffer[4096];
  for (int i = 0; i < argc; i++) printf("argv %s\n", argv[i]);
  for (char **entry = environ; *entry; entry++) printf("env %s\n", *entry);
  mode_t mask = umask(0);
  printf("cwd %s\numask %03o\nstdin %zd\n", getcwd(buffer, sizeof buffer), mask, read(0, buffer, sizeof buffer));
  for (int fd = 3; fd < 64; fd++)
    if (fcntl(fd, F_GETFD) >= 0) printf("open %d\n", fd);
  return 0;
}

int main(int argc, char **argv) {
  const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
  if (strcmp(name, "dpkg") == 0) {
    FILE *file = fopen("/dpkg-called", "a");
    fprintf(file, "%s %s %s\n", argv[1], argv[2], lock("/var/lib/dpkg/lock") < 0 ? "locked" : "free");
    return fclose(file);
  }
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "exit") == 0) {
    puts("to standard output");
    fflush(stdout);
    fputs("to standard error\n", stderr);
    return atoi(argv[2]);
  }
  if (strcmp(what, "sleep") == 0) {
    signal(SIGTERM, SIG_IGN);
    puts("sleeping");
    fflush(stdout);
    sleep(60);
    return 0;
  }
  if (strcmp(what, "touch") == 0) return close(open(argv[2], O_CREAT | O_WRONLY, 0644));
  if (strcmp(what, "cat") == 0) return print_all(fopen(argv[2], "r")) | print_all(stdin);
  if (strcmp(what, "flood") == 0) {
    struct stat output;
    for (int i = 0; i < 6 << 16; i++) puts("a line of words");
    fflush(stdout);
    do {
      usleep(50000);
      fstat(1, &output);
    } while (output.st_size > 4 << 20);
    puts("bounded");
    return 0;
  }
  if (strcmp(what, "babble") == 0)
    for (;;) puts("a line of words");
  if (strcmp(what, "rmdir") == 0) return rmdir(argv[2]) < 0;
  if (strcmp(what, "link") == 0) return symlink(argv[2], argv[3]) < 0;
  if (strcmp(what, "write") == 0) {
    FILE *file = fopen(argv[2], "w");
    fputs(argv[3], file);
    return fclose(file);
  }
  if (strcmp(what, "rename") == 0) return rename(argv[2], argv[3]) < 0;
  if (strcmp(what, "grow") == 0) return truncate(argv[2], 64 << 20) < 0;
  if (strcmp(what, "append") == 0) {
    for (int i = 3; i < argc; i++) {
      FILE *file = fopen(argv[i], "a");
      fputs(argv[2], file);
      if (fclose(file) != 0) return 1;
    }
    return 0;
  }
  if (strcmp(what, "terminal") == 0) {
    printf("terminal: %s\n", open("/dev/tty", O_RDWR) < 0 ? strerror(errno) : "there is one");
    return 0;
  }
  if (strcmp(what, "lock") == 0) {
    if (lock(argv[2]) < 0) return 1;
    puts("locked");
    fflush(stdout);
    return getchar() == 'x';
  }
  return show(argc, argv);
}
