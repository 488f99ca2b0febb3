import { createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { json } from 'node:stream/consumers';
import type { ApiObject } from './api/object.ts';
import { LabError } from './error.ts';
import { messageOf } from '../lib/message-of.ts';
import type { LabErrorCode } from './error.ts';
import type { Lab, ProbeOptions, ProbeReport } from './lab.ts';
import type { AskedConnection, Seen } from './reachability.ts';
import type { LabState } from './state.ts';

/** Requests of other processes to a running lab, by name. */
interface Questions {
  probe: { readonly asks: ProbeOptions; readonly answers: ProbeReport };
  look: {
    readonly asks: { readonly connections: readonly AskedConnection[] };
    readonly answers: { readonly seen: readonly Seen[] };
  };
  namespace: { readonly asks: { readonly station: string }; readonly answers: { readonly namespace: string } };
  objects: { readonly asks: object; readonly answers: { readonly objects: readonly ApiObject[] } };
  flows: { readonly asks: object; readonly answers: { readonly flows: readonly LabFlows[] } };
}

/** What the agent of a node has kept of who talks to whom, as JSON; missing if it does not answer, or keeps nothing. */
export interface LabFlows {
  readonly node: string;
  readonly history?: string;
}

type Handlers = { readonly [Q in keyof Questions]: (asked: Questions[Q]['asks']) => Promise<Questions[Q]['answers']> };

/** Serves requests on a unix socket. */
export async function serveControl(lab: Lab, socketPath: string): Promise<Server> {
  const handlers: Handlers = {
    probe: (options) => lab.probe(options),
    look: async ({ connections }) => ({ seen: await lab.look(connections) }),
    namespace: async ({ station }) => ({ namespace: lab.station(station).process.namespace }),
    objects: async () => ({ objects: await lab.settledObjects() }),
    flows: async () => ({ flows: await readFlows(lab) }),
  };
  const server = createServer((asked, response) => {
    void answer(handlers, asked).then(({ code, body }) => {
      response.writeHead(code, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return server;
}

function readFlows({ agents }: Lab): Promise<LabFlows[]> {
  const asked = Array.from(agents, async ([node, agent]): Promise<LabFlows> => {
    const history = await agent.flows();
    return { node, ...(history !== undefined && { history }) };
  });
  return Promise.all(asked);
}

/** Sends a request. Rejects with the lab's LabError, or with LabError `state` if no lab runs. */
export async function askLab<Q extends keyof Questions>(
  state: LabState,
  question: Q,
  asked: Questions[Q]['asks'],
): Promise<Questions[Q]['answers']> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request({ socketPath: state.controlSocket, path: `/${question}`, method: 'POST' }, resolve);
    sent.on('error', reject);
    sent.end(JSON.stringify(asked));
  }).catch(async (cause: unknown) => {
    throw new LabError('state', await state.explainAbsence(), { cause });
  });
  const body = await json(response);
  if (response.statusCode === 200) return body as Questions[Q]['answers'];
  const { code, message } = body as { code: LabErrorCode; message: string };
  throw new LabError(code, message);
}

async function answer(handlers: Handlers, asked: IncomingMessage): Promise<{ code: number; body: unknown }> {
  try {
    const handler = handlers[asked.url?.slice(1) as keyof Handlers] as (body: unknown) => Promise<unknown>;
    return { code: 200, body: await handler(await json(asked)) };
  } catch (error) {
    const code = error instanceof LabError ? error.code : 'state';
    return { code: 500, body: { code, message: messageOf(error) } };
  }
}
