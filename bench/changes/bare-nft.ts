import { openNftSession } from '../../src/apply/nft-session.ts';
import { createNft } from '../../src/apply/nft.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { monotonic } from '../monotonic.ts';

/** A script to run; `apart`: by an nft that is started for it. */
export interface BareRequest {
  readonly script: string;
  readonly apart: boolean;
}

/** Runs scripts from stdin through the agent's own access to nft. Prints when each was passed to nft, after it is done. */
const processes = createNft();
const session = openNftSession(processes);
const { signal } = new AbortController();

for await (const line of splitLines(process.stdin)) {
  const { script, apart } = JSON.parse(line) as BareRequest;
  const passed = monotonic();
  await (apart ? processes : session).run(script, { check: false, signal });
  process.stdout.write(`${passed}\n`);
}
session.close();
