import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { drawTerminal, readTerminal } from '../../scripts/lab-picture.ts';
import type { ProbeResult } from '../../src/lab/reachability.ts';
import { renderMatrix } from '../../src/lab/report.ts';

const picture = readFileSync(new URL('../../docs/lab.svg', import.meta.url), 'utf8');
/** By hand: who reaches each port of each other member of the cast. */
const reaching = readFileSync(new URL('../examples/first-light.txt', import.meta.url), 'utf8');

describe('docs/lab.svg', () => {
  it('is what the script draws of the text in it', () => equal(picture, drawTerminal(readTerminal(picture))));

  it('shows what the lab prints if all is as the policies say', () =>
    equal(readTerminal(picture), renderMatrix(expectedResults())));

  it('draws & and < as text', () => {
    const text = 'a & b <c> &lt;\n';
    equal(readTerminal(drawTerminal(text)), text);
  });
});

function expectedResults(): ProbeResult[] {
  const isHost = (name: string): boolean => name.startsWith('host/');
  const targets = reaching
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [to = '', port = '', ...sources] = line.split(/:? /);
      return { to, port, sources };
    });
  const names = [...new Set(targets.map(({ to }) => to))];
  const cast = [...names.filter((name) => !isHost(name)).toSorted(), ...names.filter(isHost)];
  return cast.flatMap((from) =>
    cast.flatMap((to) =>
      targets
        .filter((target) => target.to === to)
        .flatMap(({ port, sources }) => {
          // A pod reaches itself. The file says nothing about hosts that ask each other.
          const isFree = from === to || (isHost(from) && isHost(to));
          const verdict = isFree || sources.includes(from) ? 'allowed' : 'denied';
          return (['ipv4', 'ipv6'] as const).map((family) => {
            return { from, to, port, family, observed: verdict, expected: verdict };
          });
        }),
    ),
  );
}
