import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { namespacePath } from '../../src/lab/network-namespace.ts';

const source = fileURLToPath(new URL('traffic.c', import.meta.url));

/** Modes of traffic.c. Rates are per second of processor time (`stream`: Mbit); `bulk`: Mbit per second of wall-clock time. */
export type Mode = 'udp' | 'answered' | 'flows' | 'connect' | 'bulk' | 'stream';

export interface TrafficEnds {
  /** Network namespaces. */
  readonly from: string;
  readonly to: string;
  readonly address: string;
  /** The address to which the sender sends, if it is not the receiver's. */
  readonly target?: string;
}

/** The compiled traffic.c. */
export class TrafficProgram {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async compile(directory: string): Promise<TrafficProgram> {
    const path = join(directory, 'traffic');
    await execa('cc', ['-O2', '-Wall', '-Werror', '-pthread', '-o', path, source]);
    return new TrafficProgram(path);
  }

  /** Rejects if no packet arrives. */
  async rate(ends: TrafficEnds, mode: Mode, port: number, milliseconds: number): Promise<number> {
    const rate = Number(await this.run(ends, mode, port, milliseconds));
    if (!(rate > 0)) throw new Error(`${mode} from ${ends.from} to ${ends.to}: nothing was counted`);
    return rate;
  }

  /** @param last The last argument: the duration or a second port. */
  async run(
    { from, to, address, target = address }: TrafficEnds,
    mode: string,
    port: number,
    last: number,
  ): Promise<string> {
    const networks = [from, to].map(namespacePath);
    const { stdout } = await execa(this.#path, [...networks, address, target, mode, String(port), String(last)]);
    return stdout;
  }
}
