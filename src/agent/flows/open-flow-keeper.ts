import { setTimeout as delay } from 'node:timers/promises';
import { openConnectionReader } from '../../apply/connection-reader.ts';
import { openNetlinkSocket } from '../../apply/netlink-socket.ts';
import { readOwnAddresses } from '../../apply/own-addresses.ts';
import type { AgentContext } from '../agent-context.ts';
import type { AgentInputs } from '../agent-inputs.ts';
import { FlowKeeper } from './flow-keeper.ts';

/** Starts to keep flows until the agent stops; `undefined` if the operator does not want it. */
export function openFlowKeeper(
  { config, metrics, logger, signal }: Pick<AgentContext, 'config' | 'metrics' | 'logger' | 'signal'>,
  { pipeline }: Pick<AgentInputs, 'pipeline'>,
): FlowKeeper | undefined {
  if (!config.flows) return undefined;
  // The time of day may be set back. Minutes never go back.
  const begun = Date.now() - performance.now();
  const keeper = new FlowKeeper({
    node: config.nodeName,
    reader: openConnectionReader(openNetlinkSocket),
    ownersOf: () => (pipeline.inSync ? (address) => pipeline.ownersOf(address) : undefined),
    ownAddresses: readOwnAddresses,
    now: () => performance.now(),
    date: () => begun + performance.now(),
    pause: (milliseconds) => delay(milliseconds, undefined, { signal }),
    failed: (err) =>
      logger.warn({ err }, 'could not read the tracked connections: postern flows shows nothing of this node'),
    signal,
  });
  metrics.flows.figures(() => keeper.figures);
  void keeper.run();
  return keeper;
}
