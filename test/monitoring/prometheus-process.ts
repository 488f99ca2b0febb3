import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
}

/** How often it scrapes and judges; a wait in a rule of less is none. */
const interval = '500ms';

/** A Prometheus of our own, on a port that is free, with its data in a folder that goes with it. */
export class PrometheusProcess {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.#url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** Scrapes `host:port` of each node, at a path that is the node's name. */
  static async start(
    program: string,
    rules: string,
    target: string,
    nodes: readonly string[],
  ): Promise<PrometheusProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'postern-prometheus-'));
    await writeFile(join(folder, 'rules.yml'), rules);
    const config = {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      rule_files: ['rules.yml'],
      scrape_configs: nodes.map((node) => ({
        job_name: `postern-${node}`,
        metrics_path: `/${node}`,
        static_configs: [{ targets: [target], labels: { node } }],
      })),
    };
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const child = spawn(
      program,
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        '--web.listen-address=127.0.0.1:0',
        '--log.format=logfmt',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const said: string[] = [];
    const lines = createInterface(child.stderr);
    let address: string | undefined;
    let isReady = false;
    const ready = new Promise<string>((resolve, reject) => {
      lines.on('line', (line) => {
        said.push(line);
        address ??= /msg="Listening on" address=(\S+)/.exec(line)?.[1];
        // Until then it listens, and answers that it is not available.
        isReady ||= line.includes('Server is ready to receive web requests');
        if (isReady && address !== undefined) resolve(address);
      });
      lines.on('close', () => reject(new Error(`prometheus ended: ${said.slice(-5).join('\n')}`)));
    });
    try {
      return new PrometheusProcess(`http://${await ready}`, child, folder);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
  }

  /** Of the alert of this name, or all. */
  async alerts(name?: string): Promise<FiringAlert[]> {
    const { alerts } = await this.#get<{ alerts: FiringAlert[] }>('/api/v1/alerts');
    return alerts.filter(({ labels }) => name === undefined || labels['alertname'] === name);
  }

  /** The values that a query has now. */
  async values(query: string): Promise<number[]> {
    const path = `/api/v1/query?query=${encodeURIComponent(query)}`;
    const { result } = await this.#get<{ result: { value: [number, string] }[] }>(path);
    return result.map(({ value }) => Number(value[1]));
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
    await rm(this.#folder, { recursive: true });
  }

  async #get<Data>(path: string): Promise<Data> {
    const response = await fetch(this.#url + path);
    if (!response.ok) throw new Error(`prometheus: ${path}: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { data: Data }).data;
  }
}
