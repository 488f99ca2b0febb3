/* Prints one line for each generation of nftables rules that the kernel commits in this network namespace, until stdin closes: the pods'
 * addresses in the keys of added (+) and deleted (-) elements, in hexadecimal, then the time of the kernel's notification in nanoseconds of
 * CLOCK_MONOTONIC. The kernel notifies after packets use the new generation. An address may come twice.
 * Leaves out a generation that only adds and deletes tables: that is how the agent waits for packets in flight.
 * Exits with an error if the kernel dropped a notification (ENOBUFS), because a commit may be missing. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  room = 256 << 20,
  slots = 1 << 16,
  newgen = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN,
  newtable = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
  deltable = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE,
  newelem = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM,
  delelem = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM,
};

static int fail(const char *what) {
  perror(what);
  return 1;
}

/* Prints an address once in a commit, where its slot is not needed for another. */
static void print_address(char sign, const unsigned char *bytes, int size, uint64_t commit) {
  static uint64_t printed[slots];
  uint64_t hash = 14695981039346656037u ^ commit ^ (uint64_t)sign << 56;
  for (int i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  if (printed[hash % slots] == hash) return;
  printed[hash % slots] = hash;
  putchar(sign);
  for (int i = 0; i < size; i++) printf("%02x", bytes[i]);
  putchar(' ');
}

/* The bench's pods have addresses of 10.0.0.0/8 and fd00::/16. The fields of a key are padded to words of four bytes. */
static void print_addresses(char sign, const unsigned char *key, int length, uint64_t commit) {
  for (int i = 0; i + 4 <= length; i += 4) {
    int is_ipv6 = key[i] == 0xfd && key[i + 1] == 0 && i + 16 <= length;
    if (key[i] != 10 && !is_ipv6) continue;
    print_address(sign, key + i, is_ipv6 ? 16 : 4, commit);
    if (is_ipv6) i += 12;
  }
}

/* Calls print_addresses for the keys in a tree of attributes: elements, their list, key, value. */
static void print_keys(char sign, const char *data, int length, int depth, uint64_t commit) {
  static const int path[] = {NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY, NFTA_DATA_VALUE};
  while (length >= (int)sizeof(struct nlattr)) {
    const struct nlattr *attribute = (const void *)data;
    int size = attribute->nla_len;
    if (size < (int)sizeof *attribute || size > length) return;
    const char *value = data + NLA_HDRLEN;
    if ((attribute->nla_type & NLA_TYPE_MASK) == path[depth]) {
      if (depth == 3) print_addresses(sign, (const void *)value, size - NLA_HDRLEN, commit);
      else print_keys(sign, value, size - NLA_HDRLEN, depth + 1, commit);
    }
    data += NLA_ALIGN(size);
    length -= NLA_ALIGN(size);
  }
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
  /* A commit can have many addresses, and the watch must not wait for its reader. */
  setvbuf(stdout, NULL, _IOFBF, 64 << 20);
  printf("ready\n");
  fflush(stdout);
  static char buffer[1 << 18] __attribute__((aligned(NLMSG_ALIGNTO)));
  struct pollfd ends[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
  uint64_t commit = 1;
  int has_contents = 0;
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
      if (message->nlmsg_type == newelem || message->nlmsg_type == delelem) {
        const char *attributes = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
        int size = (const char *)message + message->nlmsg_len - attributes;
        print_keys(message->nlmsg_type == newelem ? '+' : '-', attributes, size, 0, commit);
      }
      if (message->nlmsg_type != newgen) {
        if (message->nlmsg_type != newtable && message->nlmsg_type != deltable) has_contents = 1;
        continue;
      }
      if (has_contents) {
        printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
        fflush(stdout);
      }
      has_contents = 0;
      commit++;
    }
  }
}
