import { ok, rulesMissing, type CniAnswer } from '../../cni/answer.ts';
import { isOfNetwork, validFiles, type CniRequest } from '../../cni/request.ts';
import { numberAt } from '../../lib/json.ts';
import type { TableFamily } from '../../nftables/ruleset.ts';
import type { SandboxAnnouncer } from '../../sandboxes/sandboxes.ts';
import type { Clock } from '../clock.ts';
import type { PodNetworks } from '../pod-networks/pod-networks.ts';
import type { PodWaits } from './pod-waits.ts';

export interface CniAnswersOptions {
  readonly announcer: SandboxAnnouncer;
  readonly waits: Pick<PodWaits, 'wait'>;
  /** Missing if the agent writes no rules inside of pods. */
  readonly podNetworks: Pick<PodNetworks, 'wait' | 'inspect'> | undefined;
  /** Reads all tables. Returns those that were not as the agent wrote them; `undefined` if the agent does not know what it wrote. */
  readonly inspect: () => Promise<readonly TableFamily[] | undefined>;
  /** Why this node does not enforce policies; `undefined` if it does. */
  readonly notEnforcing: () => string | undefined;
  readonly clock: Clock;
}

/** Seconds. postern-cni.c has the same limits. */
const waitLimits = { least: 1, most: 60, fallback: 10 };

/** Answers the calls of the CNI plugin. It never rejects: a call that the agent cannot answer is late. */
export function createCniAnswers(
  options: CniAnswersOptions,
): (request: CniRequest, signal: AbortSignal) => Promise<CniAnswer> {
  const { announcer, waits, podNetworks, inspect, notEnforcing, clock } = options;
  const answer = async (request: CniRequest, signal: AbortSignal): Promise<CniAnswer> => {
    const { command, config, file, subject } = request;
    switch (command) {
      case 'ADD':
      case 'CHECK': {
        if (subject.kind === 'none') return ok;
        if (subject.kind === 'unusable') return late(subject.message);
        const { entry } = subject;
        if (command === 'ADD') await announcer.announce(file, entry);
        // Rules inside of a pod follow the node's, which know the pod first.
        const reason = (await waits.wait(entry, signal)) ?? (await podNetworks?.wait(entry.id, signal));
        if (reason !== undefined) return late(reason);
        return command === 'ADD' ? ok : await check(entry.id);
      }
      case 'DEL':
        announcer.withdraw(file);
        return ok;
      case 'GC': {
        const valid = validFiles(config);
        const left = announcer.announced().filter((each) => isOfNetwork(config, each) && !valid.has(each));
        for (const each of left) announcer.withdraw(each);
        return ok;
      }
      case 'STATUS': {
        const reason = notEnforcing();
        return reason === undefined ? ok : late(reason);
      }
    }
  };
  const check = async (id: string): Promise<CniAnswer> => {
    const [node, inside] = await Promise.all([inspect(), podNetworks?.inspect(id) ?? []]);
    if (!node || !inside) return late('the agent does not know yet what the kernel holds');
    const tables = [
      ...node.map((family) => `table ${family} postern`),
      ...inside.map((family) => `table ${family} postern in the pod's network namespace`),
    ];
    if (tables.length === 0) return ok;
    const message = `another program has changed ${tables.join(', ')}; the agent is writing what is missing`;
    return { kind: 'error', code: rulesMissing, message };
  };
  return async (request, signal) => {
    const limit = new AbortController();
    const timer = clock.after(secondsOf(request) * 1000, () => limit.abort());
    const { promise: end, resolve } = Promise.withResolvers<CniAnswer>();
    // A read of all tables does not know the signal.
    limit.signal.addEventListener('abort', () => setImmediate(resolve, late('the agent needs more time')));
    try {
      return await Promise.race([answer(request, AbortSignal.any([signal, limit.signal])), end]);
    } catch (error) {
      return late(error instanceof Error ? error.message : 'the agent failed');
    } finally {
      timer.cancel();
    }
  };
}

function secondsOf({ config }: CniRequest): number {
  const { least, most, fallback } = waitLimits;
  return Math.min(most, Math.max(least, numberAt(config, 'timeoutSeconds') ?? fallback));
}

function late(reason: string): CniAnswer {
  return { kind: 'late', reason };
}
