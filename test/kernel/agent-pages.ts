import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Lab } from '../../src/lab/lab.ts';

/** What the agent of a node says on one of its pages; status 0 while it does not answer. */
export function readPage(lab: Lab, node: string, path: string): Promise<{ status: number; body: string }> {
  return readSocketPage(join(lab.state.nodeDirectory(node), 'agent.sock'), path);
}

/** The same of the agent that answers on a socket. */
export function readSocketPage(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, body }),
        () => resolve({ status: 0, body: '' }),
      );
    });
    asked.on('error', () => resolve({ status: 0, body: '' }));
    asked.end();
  });
}

/** Of one series, as `postern_x_total{reason="y"}`. */
export async function readMetric(lab: Lab, node: string, series: string): Promise<number | undefined> {
  const { body } = await readPage(lab, node, '/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
