/* Sends small UDP packets as fast as one processor can, for a while; prints the nanoseconds of processor time that each took.
 * usage: send ADDRESS PORT MILLISECONDS   (IPv4 or IPv6)
 * On veth the kernel handles a packet up to the receiver's socket within the sender's system call, so this is the whole path. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { batch = 64, size = 16 };

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[2]))};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  int is_six = strchr(argv[1], ':') != NULL;
  int ok = is_six ? inet_pton(AF_INET6, argv[1], &six.sin6_addr) : inet_pton(AF_INET, argv[1], &four.sin_addr);
  if (ok != 1) return 2;
  int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, is_six ? (void *)&six : (void *)&four, is_six ? sizeof six : sizeof four) < 0) {
    perror("connect");
    return 1;
  }
  char payload[size] = {0};
  struct iovec data = {payload, size};
  struct mmsghdr messages[batch];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < batch; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
  double used = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + atof(argv[3]) * 1e6;
  long sent = 0;
  while (now(CLOCK_MONOTONIC) < end) {
    int n = sendmmsg(fd, messages, batch, 0);
    /* An answer that the port is closed is told once by the next call. */
    if (n > 0) sent += n;
  }
  printf("%.1f %ld\n", (now(CLOCK_PROCESS_CPUTIME_ID) - used) / sent, sent);
  return 0;
}
