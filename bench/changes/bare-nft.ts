import { openElementWriter } from '../../src/apply/element-writer.ts';
import { openNetlinkSocket } from '../../src/apply/netlink-socket.ts';
import { openNftSession } from '../../src/apply/nft-session.ts';
import { createNft } from '../../src/apply/nft.ts';
import { splitLines } from '../../src/watch/json-lines.ts';
import { monotonic } from '../monotonic.ts';
import { bareOperations, type BareRequest } from './bare-request.ts';

/** Runs requests from stdin through the agent's own access to the kernel. Prints when each began, after it is done. */
const processes = createNft();
const session = openNftSession(processes);
const elements = openElementWriter({
  openSocket: openNetlinkSocket,
  paused(error) {
    throw error;
  },
});
const { signal } = new AbortController();

async function run(request: BareRequest): Promise<void> {
  if ('script' in request) return (request.apart ? processes : session).run(request.script, { check: false, signal });
  const isWritten = await elements.write(bareOperations[request.element]);
  if (!isWritten) throw new Error('the kernel refused an element');
}

for await (const line of splitLines(process.stdin)) {
  const request = JSON.parse(line) as BareRequest;
  const passed = monotonic();
  await run(request);
  process.stdout.write(`${passed}\n`);
}
session.close();
elements.close();
