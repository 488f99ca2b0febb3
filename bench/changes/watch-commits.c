/* Prints one line for each generation of nftables rules that the kernel commits in this network namespace, until stdin closes: the time of
 * the kernel's notification in nanoseconds of CLOCK_MONOTONIC. The kernel notifies after packets use the new generation.
 * Exits with an error if the kernel dropped a notification (ENOBUFS), because a commit may be missing. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { room = 256 << 20, newgen = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN };

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  int size = room, group = NFNLGRP_NFTABLES;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (fd < 0) return fail("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) return fail("SO_RCVBUFFORCE");
  if (bind(fd, (void *)&address, sizeof address) < 0) return fail("bind");
  if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) return fail("join");
  /* Real-time priority, so that the process reads the time without delay. */
  if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0) perror("watch-commits: SCHED_FIFO");
  printf("ready\n");
  fflush(stdout);
  static char buffer[1 << 18] __attribute__((aligned(NLMSG_ALIGNTO)));
  struct pollfd ends[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
  for (;;) {
    if (poll(ends, 2, -1) < 0) return fail("poll");
    if (ends[0].revents == 0 && ends[1].revents != 0) return 0;
    int length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (length < 0 && errno == EAGAIN) continue;
    if (length < 0) return fail("recv");
    if (length > (int)sizeof buffer) return fprintf(stderr, "a message of %d bytes\n", length), 1;
    for (struct nlmsghdr *message = (void *)buffer; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
      if (message->nlmsg_type != newgen) continue;
      printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
      fflush(stdout);
    }
  }
}
