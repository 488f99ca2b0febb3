/*
 * postern-cni: the CNI plugin of Postern, last in a chain of plugins. It passes each command to the agent of this node over a Unix socket and prints
 * the answer. It decides only what it does without an answer (`failurePolicy` of its configuration), and it answers VERSION.
 *
 * The request: "postern-cni 1", CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_ARGS, each with a NUL at its end; then the configuration
 * from standard input. The answer (src/cni/answer.ts): "ok", or "late REASON", or "error JSON", with a newline at its end.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { max_configuration = 1 << 20, max_answer = 1 << 16 };

/* Error codes of the CNI specification 1.1.0, section 5. */
enum { invalid_environment = 4, cannot_decode = 6, invalid_configuration = 7, try_again_later = 11, not_available = 50 };

struct text {
	const char *at;
	size_t length;
};

static char configuration[max_configuration + 1];
static char answer[max_answer + 1];
static const char *command = "";
/* Values of the configuration as JSON; `at` is NULL if there is none. */
static struct text version, previous, policy;

static bool is(struct text text, const char *expected)
{
	return text.length == strlen(expected) && memcmp(text.at, expected, text.length) == 0;
}

/* What is printed may wait for the runtime as long as it wants: a signal would cut it off. */
static void end_time_limit(void)
{
	struct itimerval none = { 0 };
	setitimer(ITIMER_REAL, &none, NULL);
}

/* Ends the process. A result of which a part is missing is a failure. */
static void finish(int status)
{
	exit(fflush(stdout) == 0 && !ferror(stdout) ? status : 1);
}

/* Ends the process. Nothing of `message` and `detail` may need an escape in JSON. */
static void fail(int code, const char *message, const char *detail)
{
	struct text shown = version.at ? version : (struct text){ "\"1.1.0\"", 7 };
	end_time_limit();
	printf("{\"cniVersion\":%.*s,\"code\":%d,\"msg\":\"postern-cni: %s\",\"details\":\"%s\"}\n", (int)shown.length,
	       shown.at, code, message, detail);
	finish(1);
}

/* ADD prints the result of the plugins before, unchanged. */
static void succeed(void)
{
	end_time_limit();
	if (strcmp(command, "ADD") == 0)
		printf("%.*s\n", (int)previous.length, previous.at);
	finish(0);
}

/* There is no answer, and `reason` says why. DEL and GC succeed without one: the agent notices the end of a pod by itself. */
static void unanswered(const char *reason)
{
	bool must_wait = strcmp(command, "DEL") != 0 && strcmp(command, "GC") != 0 && !is(policy, "\"Ignore\"");
	if (!must_wait)
		succeed();
	fail(strcmp(command, "STATUS") == 0 ? not_available : try_again_later, "the rules of the pod are not in the kernel", reason);
}

/* Returns the end of the JSON value at `at`, or NULL. The runtime has encoded it, so this need not check it. */
static const char *skip_value(const char *at)
{
	int depth = 0;
	do {
		if (*at == '"') {
			for (at++; *at && *at != '"'; at++)
				if (*at == '\\' && at[1])
					at++;
			if (!*at)
				return NULL;
			at++;
		} else if (*at == '{' || *at == '[') {
			depth++;
			at++;
		} else if (*at == '}' || *at == ']') {
			depth--;
			at++;
		} else {
			size_t length = strcspn(at, depth > 0 ? "\"{}[]" : ",}] \t\r\n");
			if (length == 0 || !at[length])
				return NULL;
			at += length;
		}
	} while (depth > 0);
	return depth == 0 ? at : NULL;
}

static const char *skip_space(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* Returns the value of a member of the configuration. */
static struct text member(const char *name)
{
	const char *at = skip_space(configuration);
	while (*at == '{' || *at == ',') {
		const char *key = skip_space(at + 1);
		const char *end = *key == '"' ? skip_value(key) : NULL;
		const char *value = end ? skip_space(end) : NULL;
		if (!value || *value != ':')
			break;
		value = skip_space(value + 1);
		end = skip_value(value);
		if (!end)
			break;
		at = skip_space(end);
		size_t length = strlen(name);
		if (strncmp(key + 1, name, length) == 0 && key[length + 1] == '"')
			return (struct text){ value, (size_t)(end - value) };
	}
	return (struct text){ NULL, 0 };
}

/* Makes a blocking call return with EINTR. The timer repeats: a signal just before the call must not be the last one. */
static void interrupt(int signal)
{
	(void)signal;
}

static void limit_time(long seconds)
{
	struct sigaction action = { .sa_handler = interrupt };
	struct itimerval timer = { .it_value.tv_sec = seconds, .it_interval.tv_usec = 50000 };
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* The end of a pod needs nothing of the configuration, so it must not fail because of it. */
static void unreadable(const char *message, const char *detail)
{
	if (strcmp(command, "DEL") == 0 || strcmp(command, "GC") == 0)
		succeed();
	fail(cannot_decode, message, detail);
}

static void read_configuration(void)
{
	size_t length = 0;
	ssize_t got;
	while ((got = read(0, configuration + length, max_configuration + 1 - length)) > 0)
		if ((length += (size_t)got) > max_configuration)
			unreadable("the configuration has more than 1 MiB", "");
	if (got < 0)
		unreadable("cannot read the configuration", strerror(errno));
	configuration[length] = '\0';
	const char *start = skip_space(configuration);
	const char *end = *start == '{' ? skip_value(start) : NULL;
	if (!end || strlen(configuration) != length || *skip_space(end))
		unreadable("the configuration is not a JSON object", "");
}

static void send_all(int agent, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t sent = send(agent, data, length, MSG_NOSIGNAL);
		if (sent < 0)
			unanswered(errno == EINTR ? "the agent does not read" : "the agent has closed the connection");
		data += sent;
		length -= (size_t)sent;
	}
}

static void ask(const char *path, size_t path_length)
{
	static const char *const variables[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path_length == 0 || path_length >= sizeof(address.sun_path))
		fail(invalid_configuration, "socket is missing or too long", "");
	memcpy(address.sun_path, path, path_length);
	int agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (agent < 0 || connect(agent, (struct sockaddr *)&address, sizeof(address)) < 0)
		unanswered(errno == EINTR ? "the agent does not answer" : "no agent listens on the socket");
	send_all(agent, "postern-cni 1", sizeof("postern-cni 1"));
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		const char *value = getenv(variables[i]);
		send_all(agent, value ? value : "", value ? strlen(value) + 1 : 1);
	}
	send_all(agent, configuration, strlen(configuration));
	shutdown(agent, SHUT_WR);
	size_t length = 0;
	ssize_t got;
	while (length < max_answer && (got = recv(agent, answer + length, max_answer - length, 0)) != 0) {
		if (got < 0)
			unanswered(errno == EINTR ? "the agent has not answered in time" : "the agent has closed the connection");
		length += (size_t)got;
	}
	if (length == 0 || answer[length - 1] != '\n')
		unanswered("the agent has closed the connection without an answer");
	answer[length - 1] = '\0';
}

int main(void)
{
	const char *given = getenv("CNI_COMMAND");
	if (!given || !*given)
		fail(invalid_environment, "CNI_COMMAND is missing: a container runtime runs this program", "");
	command = given;
	limit_time(10);
	read_configuration();
	version = member("cniVersion");
	if (strcmp(command, "VERSION") == 0) {
		end_time_limit();
		printf("{\"cniVersion\":%.*s,\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
		       version.at ? (int)version.length : 7, version.at ? version.at : "\"1.1.0\"");
		finish(0);
	}
	previous = member("prevResult");
	policy = member("failurePolicy");
	if (strcmp(command, "ADD") == 0 && !previous.at)
		fail(invalid_configuration, "there is no prevResult: this plugin must come after the plugin that makes the interface", "");
	struct text socket_path = member("socket"), limit = member("timeoutSeconds");
	long seconds = limit.at ? strtol(limit.at, NULL, 10) : 10;
	bool is_long = strcmp(command, "ADD") == 0 || strcmp(command, "CHECK") == 0;
	/* The agent answers within the limit. Nothing may delay the end of a pod. */
	limit_time(!is_long ? 5 : (seconds < 1 ? 1 : seconds > 60 ? 60 : seconds) + 2);
	/* Without the quotes. The installer accepts no path that needs an escape. */
	ask(socket_path.at ? socket_path.at + 1 : "", socket_path.length > 2 ? socket_path.length - 2 : 0);
	if (strcmp(answer, "ok") == 0)
		succeed();
	if (strncmp(answer, "error ", 6) == 0) {
		end_time_limit();
		printf("%s\n", answer + 6);
		finish(1);
	}
	/* The reason is text of the agent that needs no escape. */
	unanswered(strncmp(answer, "late ", 5) == 0 ? answer + 5 : "the answer of the agent is not known to this program");
}
