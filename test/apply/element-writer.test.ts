import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { openElementWriter, type ElementWriterOptions } from '../../src/apply/element-writer.ts';
import type { NetlinkSocket } from '../../src/apply/netlink-socket.ts';
import type { NftSet, Operation } from '../../src/nftables/ruleset.ts';

const set: NftSet = { name: 's', key: ['ipv4_addr'], interval: false, elements: new Set() };
const operations: Operation[] = [
  { family: 'ip', verb: 'add elements', set, elements: ['10.0.0.1'] },
  { family: 'ip', verb: 'delete elements', set, elements: ['10.0.0.2'] },
];

type Answers = (sequences: readonly number[]) => readonly (readonly [sequence: number, error: number])[];
const acknowledged: Answers = ([, ...requests]) => [[requests.at(-2)!, 0]];

/** A kernel that answers the sequence numbers of a batch. */
class FakeSocket implements NetlinkSocket {
  readonly sent: (readonly number[])[] = [];
  isClosed = false;
  answers: Answers = acknowledged;
  failure: Error | undefined;
  /** How many reads say that the kernel had no room for an answer. */
  overruns = 0;
  isBroken = false;
  readonly #waiting: Buffer[] = [];

  sending = (): void => {};

  async send(messages: Uint8Array): Promise<void> {
    this.sending();
    if (this.failure) throw this.failure;
    const sequences = sequencesOf(Buffer.from(messages));
    this.sent.push(sequences);
    await new Promise(setImmediate);
    this.#waiting.push(...this.answers(sequences).map(([sequence, error]) => answer(sequence, error)));
  }

  ask(): void {
    assert.fail('a writer asks nothing');
  }

  receive(): Buffer | undefined {
    if (this.overruns > 0) {
      this.overruns--;
      throw Object.assign(new Error('read'), { code: 'ENOBUFS' });
    }
    if (this.isBroken) throw Object.assign(new Error('read'), { code: 'EBADF' });
    return this.#waiting.shift();
  }

  close(): void {
    this.isClosed = true;
  }
}

function sequencesOf(batch: Buffer): number[] {
  const sequences: number[] = [];
  for (let at = 0; at < batch.length; at += batch.readUInt32LE(at)) sequences.push(batch.readUInt32LE(at + 8));
  return sequences;
}

function answer(sequence: number, error: number): Buffer {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(36, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeInt32LE(-error, 16);
  return bytes;
}

function open(options: Partial<ElementWriterOptions> = {}) {
  const sockets: FakeSocket[] = [];
  const paused: unknown[] = [];
  const writer = openElementWriter({
    async openSocket() {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    paused: (error) => paused.push(error),
    ...options,
  });
  return { writer, sockets, paused };
}

describe('a writer of elements', () => {
  it('has written what the kernel acknowledges', async () => {
    const { writer, sockets, paused } = open();
    assert.deepEqual([await writer.write(operations), await writer.write(operations)], [true, true]);
    assert.deepEqual(sockets[0]!.sent, [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    assert.deepEqual([sockets.length, paused], [1, []]);
  });

  it('leaves to nft what the kernel refuses, and goes on', async () => {
    const { writer, sockets, paused } = open();
    await writer.write(operations);
    sockets[0]!.answers = ([, first, second]) => [
      [first!, 0],
      [second!, 2],
    ];
    assert.equal(await writer.write(operations), false);
    sockets[0]!.answers = (sequences) => [[sequences[0]!, 16], ...acknowledged(sequences)];
    assert.equal(await writer.write(operations), false, 'a commit that fails');
    sockets[0]!.answers = ([, first]) => [[first!, 2]];
    sockets[0]!.overruns = 1;
    assert.equal(await writer.write(operations), false, 'more errors than the kernel has room for');
    sockets[0]!.answers = acknowledged;
    assert.equal(await writer.write(operations), true);
    assert.deepEqual([sockets.length, paused], [1, []]);
  });

  it('sends nothing that is for nft', async () => {
    const { writer, sockets } = open();
    assert.equal(await writer.write([{ family: 'ip', verb: 'add table' }]), false);
    assert.equal(await writer.write([]), false);
    assert.deepEqual(sockets[0]!.sent, []);
  });

  const unknown: Record<string, (socket: FakeSocket) => void> = {
    'does not answer': (socket) => (socket.answers = () => []),
    'answers one request of two': (socket) => (socket.answers = ([, first]) => [[first!, 0]]),
    'answers another batch': (socket) => (socket.answers = (all) => [...acknowledged(all), [all[0]! - 1, 0]]),
    'loses answers': (socket) => (socket.overruns = 1),
    'loses answers again and again': (socket) => (socket.overruns = Infinity),
    'cannot be read': (socket) => (socket.isBroken = true),
  };
  for (const [title, spoil] of Object.entries(unknown)) {
    it(`says that the result is unknown if the kernel ${title}, and leaves the next change to nft`, async () => {
      const { writer, sockets, paused } = open();
      await writer.write(operations);
      spoil(sockets[0]!);
      await assert.rejects(writer.write(operations), { name: 'NftError', code: 'timeout' });
      assert.equal(await writer.write(operations), false);
      await new Promise(setImmediate);
      assert.deepEqual([sockets[0]!.isClosed, sockets.length, paused.length], [true, 1, 1]);
    });
  }

  it('has waited for packets in flight when the kernel acknowledges it', async () => {
    const { writer, sockets } = open();
    await writer.write(operations);
    const [socket] = sockets as [FakeSocket];
    // A batch that is only checked has no end.
    socket.answers = (sequences) => {
      assert.deepEqual(sequences, [5, 6]);
      return [[6, 0]];
    };
    assert.equal(await writer.awaitGracePeriod(), true);
    socket.answers = acknowledged;
    assert.equal(await writer.write(operations), true);
    assert.deepEqual(sockets, [socket]);
  });

  it('leaves the wait for packets in flight to nft if the kernel refuses it, or does not acknowledge it', async () => {
    const answers: readonly (readonly [Answers, paused: number])[] = [
      [([, request]) => [[request!, 1]], 0],
      [() => [], 1],
      [
        ([begin, request]) => [
          [begin! - 1, 0],
          [request!, 0],
        ],
        1,
      ],
    ];
    for (const [each, pauses] of answers) {
      const { writer, sockets, paused } = open();
      await writer.write(operations);
      sockets[0]!.answers = each;
      assert.equal(await writer.awaitGracePeriod(), false);
      assert.equal(paused.length, pauses);
    }
    const closed = open();
    closed.writer.close();
    assert.equal(await closed.writer.awaitGracePeriod(), false);
  });

  it('leaves to nft what it cannot send, and opens another socket after a pause', async () => {
    const { writer, sockets, paused } = open({ pauseMs: 0 });
    await writer.write(operations);
    const failure = new Error('EMSGSIZE');
    sockets[0]!.failure = failure;
    assert.equal(await writer.write(operations), false);
    assert.equal(await writer.write(operations), true);
    assert.deepEqual([sockets.length, sockets[0]!.isClosed, paused], [2, true, [failure]]);
  });

  it('reports at its start that there is no socket, once, and tries again after a pause', async () => {
    let tries = 0;
    const paused: unknown[] = [];
    const writer = openElementWriter({
      openSocket: () => Promise.reject(new Error(`no socket: ${++tries}`)),
      pauseMs: 0,
      paused: (error) => paused.push(error),
    });
    await new Promise(setImmediate);
    assert.deepEqual([tries, String(paused)], [1, 'Error: no socket: 1']);
    assert.deepEqual([await writer.write(operations), await writer.write(operations)], [false, false]);
    assert.deepEqual([tries, String(paused)], [3, 'Error: no socket: 1']);
  });

  it('does not try again during the pause', async () => {
    let tries = 0;
    const writer = openElementWriter({ openSocket: () => Promise.reject(new Error(`no socket: ${++tries}`)) });
    assert.deepEqual([await writer.write(operations), await writer.write(operations)], [false, false]);
    assert.equal(tries, 1);
  });

  it('sends one batch at a time', async () => {
    const { writer, sockets } = open();
    await writer.write(operations);
    const [socket] = sockets as [FakeSocket];
    let sending = 0;
    let most = 0;
    socket.answers = (sequences) => {
      sending--;
      return acknowledged(sequences);
    };
    socket.sending = () => (most = Math.max(most, ++sending));
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => writer.write(operations))), [true, true, true]);
    assert.equal(most, 1);
  });

  it('writes nothing after it is closed', async () => {
    const { writer, sockets } = open();
    writer.close();
    assert.equal(await writer.write(operations), false);
    await new Promise(setImmediate);
    assert.deepEqual([sockets[0]!.isClosed, sockets[0]!.sent], [true, []]);
  });
});
