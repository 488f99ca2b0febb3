import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'mocha';
import type { LinkDescriptions } from '../../src/sandboxes/link.ts';
import { LinkQuestions, type DescribeLinks } from '../../src/sandboxes/link-questions.ts';

const nothing: LinkDescriptions = new Map();

/** Answers when the test says so. */
class Scripted {
  readonly asked: { readonly names: string; readonly answer: (found: LinkDescriptions) => void }[] = [];
  readonly describeLinks: DescribeLinks = (names) => {
    const { promise, resolve } = Promise.withResolvers<LinkDescriptions>();
    this.asked.push({ names: names.join(), answer: resolve });
    return promise;
  };

  get names(): string[] {
    return this.asked.map(({ names }) => names);
  }
}

describe('questions about devices', () => {
  const { signal } = new AbortController();

  it('are sent at once up to four, and what waits is sent as one', async () => {
    const script = new Scripted();
    const questions = new LinkQuestions({ describeLinks: script.describeLinks, signal });
    const answers = [['a'], ['b', 'c'], ['d'], ['e'], ['f', 'g'], ['h', 'f']].map((names) => questions.ask(names));
    assert.deepEqual(script.names, ['a', 'b,c', 'd', 'e']);
    const found: LinkDescriptions = new Map([['d', { kind: 'veth' }]]);
    script.asked[2]!.answer(found);
    assert.equal(await answers[2], found);
    assert.deepEqual(script.names.slice(4), ['f,g,h']);
    script.asked[4]!.answer(nothing);
    assert.deepEqual(await Promise.all(answers.slice(4)), [nothing, nothing]);
  });

  it('that hang are given up, and make room', async () => {
    const script = new Scripted();
    const questions = new LinkQuestions({ describeLinks: script.describeLinks, signal, answerMs: 20 });
    const answers = ['a', 'b', 'c', 'd', 'e'].map((name) => questions.ask([name]));
    for (const answer of answers) await assert.rejects(answer, { message: 'no answer within 0.02 s' });
    assert.deepEqual(script.names, ['a', 'b', 'c', 'd', 'e']);
  });

  it('that fail, in whatever way, say why', async () => {
    const rejecting = new LinkQuestions({ describeLinks: () => Promise.reject(new Error('no ip')), signal });
    await assert.rejects(rejecting.ask(['a']), { message: 'no ip' });
    const throwing = new LinkQuestions({
      describeLinks: () => {
        throw new Error('no exec');
      },
      signal,
    });
    await assert.rejects(throwing.ask(['a']), { message: 'no exec' });
  });

  it('end with the signal, and leave nothing at it', async () => {
    const ending = new AbortController();
    let told: AbortSignal | undefined;
    const describeLinks: DescribeLinks = (_, given) => {
      told = given;
      return new Promise(() => {});
    };
    const questions = new LinkQuestions({ describeLinks, signal: ending.signal });
    const answer = questions.ask(['a']);
    ending.abort(new Error('the end'));
    await assert.rejects(answer, { message: 'the end' });
    await assert.rejects(questions.ask(['b']), { message: 'the end' });
    assert.equal(told?.aborted, true);
    assert.deepEqual(getEventListeners(ending.signal, 'abort'), []);
  });
});
