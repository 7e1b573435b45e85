/* Calls uname(2) as often as it is told, and says how many seconds that took. usage: uname-calls COUNT */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  struct utsname names;
  long count = argc > 1 ? atol(argv[1]) : 0;
  double start = now();
  for (long i = 0; i < count; i++)
    if (uname(&names) != 0) return 1;
  printf("seconds %.6f\n", now() - start);
  return 0;
}
