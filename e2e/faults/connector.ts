import type { Lab } from '../../src/lab/lab.ts';
import { stationAddress } from '../../src/lab/station.ts';
import { families } from '../../src/model/address.ts';

const pauseMs = 100;

interface ConnectOptions {
  readonly port: number;
  /** Timeout of an answer. */
  readonly deadlineMs: number;
}

/** Opens new TCP connections from one station in a loop, one at a time to each target in each family. */
export class Connector {
  tried = 0;
  failed = 0;
  #isStopped = false;
  readonly #ended: Promise<void>;

  constructor(lab: Lab, from: string, targets: readonly string[], { port, deadlineMs }: ConnectOptions) {
    const { process } = lab.station(from);
    const asked = targets.flatMap((to) =>
      families.map((family) => ({ protocol: 'TCP' as const, address: stationAddress(lab.station(to), family)!, port })),
    );
    const again = async (): Promise<void> => {
      for (;;) {
        const answers = await process.probe(asked, { tries: 1, deadlineMs });
        this.tried += answers.length;
        this.failed += answers.filter(({ error }) => error !== undefined).length;
        if (this.#isStopped) return;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        if (this.#isStopped) return;
      }
    };
    this.#ended = again();
    // `stop` reports the failure. If the lab ends first, no caller needs it.
    this.#ended.catch(() => {});
  }

  /** Resolves when the last answers have arrived. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }
}
