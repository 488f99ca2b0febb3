import type { Logger } from '../../telemetry/logger.ts';
import type { EventRecorder } from '../event-recorder.ts';
import type { PodDenials } from './denial-tally.ts';
import type { Listener } from './denial-watch.ts';

interface Options {
  /** Whether to write log lines and Events. */
  readonly log: boolean;
  readonly events: boolean;
  readonly logger: Pick<Logger, 'info' | 'isLevelEnabled'>;
  readonly recorder: Pick<EventRecorder, 'tell'>;
  /** Converts a time of the denials' clock to milliseconds since 1970. */
  readonly dateOf: (time: number) => number;
}

/** Writes denials to the log for operators, and as Events on pods for users of their namespaces (S9.14). */
export function createListener({ log, events, logger, recorder, dateOf }: Options): Listener {
  const logs = (): boolean => log && logger.isLevelEnabled('info');
  return {
    wants: () => events || logs(),
    log(denial) {
      if (logs()) logger.info(denial, 'denied');
    },
    announce(denials) {
      if (!events) return;
      const { pod, direction, connections, since, until } = denials;
      const period = { count: connections, since: dateOf(since), until: dateOf(until) };
      recorder.tell('pods', pod, {
        reason: 'ConnectionDenied',
        subject: direction,
        message: messageOf(denials),
        ...period,
      });
    },
  };
}

function messageOf({ direction, connections, last }: PodDenials): string {
  const { from, to, source, destination, protocol, port, deniedBy, reason, nearMisses } = last;
  const traffic = port === undefined ? String(protocol) : `${protocol}/${port}`;
  const others = connections > 1 ? ` (and ${connections - 1} more)` : '';
  const isUnnamed = direction === 'ingress' ? from === source : to === destination;
  const isOfTier = deniedBy !== undefined && deniedBy.tier !== 'NetworkPolicy';
  const unnamed = [
    ...(isOfTier ? ['the policy and the rule'] : []),
    ...(isUnnamed ? [`the owner of ${direction === 'ingress' ? from : to}`] : []),
  ];
  const rest = unnamed.length > 0 ? `. For operators, the agent's log names ${unnamed.join(', and ')}` : '';
  return `${direction} denied: ${from} → ${to}, ${traffic}${others}. ${nearMisses[0]?.reason ?? reason}${rest}`;
}
