import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { LabError } from './error.ts';

/** A network configuration list (CNI specification 1.0.0, section 1). */
export interface CniConfigList {
  readonly cniVersion: string;
  readonly name: string;
  readonly disableCheck?: boolean;
  readonly plugins: readonly CniPluginConfig[];
}

export interface CniPluginConfig {
  readonly type: string;
  /** Capabilities of the plugin, for example `portMappings`. */
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [field: string]: unknown;
}

/** One container's interface on one network. */
export interface CniAttachment {
  readonly containerId: string;
  /** Path of the container's network namespace. */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS, in order. */
  readonly args: readonly (readonly [string, string])[];
  /** Values for `runtimeConfig`, by capability. */
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
}

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly { readonly name: string; readonly mac?: string; readonly sandbox?: string }[];
  readonly ips?: readonly { readonly interface?: number; readonly address: string; readonly gateway?: string }[];
  readonly [field: string]: unknown;
}

export interface CniOptions {
  readonly config: CniConfigList;
  readonly pluginDirectory: string;
  /** Programs outside that directory, by the type of the plugin. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Holds `results/`, the result cache of libcni, which CHECK, DEL and the agent read. */
  readonly cacheDirectory: string;
  /** The command line that runs a plugin in the node's network namespace. */
  readonly enter: (file: string, args: readonly string[]) => [string, string[]];
}

type Verb = 'ADD' | 'CHECK' | 'DEL';

/** Runs the plugins of one network as a container runtime does. Rejects with LabError `cni`. */
export class CniNetwork {
  readonly #options: CniOptions;

  constructor(options: CniOptions) {
    this.#options = options;
  }

  /** Runs all plugins in order, each with the result of the one before. After a failure, runs DEL. */
  async add(attachment: CniAttachment): Promise<CniResult> {
    let result: CniResult | undefined;
    try {
      for (const plugin of this.#options.config.plugins) result = await this.#run('ADD', plugin, attachment, result);
      if (!result) throw new LabError('cni', `network ${this.#options.config.name} has no plugins`);
      await this.#keep(attachment, result);
      return result;
    } catch (error) {
      await this.delete(attachment).catch(() => {});
      throw error;
    }
  }

  /** Runs all plugins in order, each with the final result of ADD. */
  async check(attachment: CniAttachment): Promise<void> {
    if (this.#options.config.disableCheck) return;
    const result = await this.#cached(attachment);
    if (!result) throw new LabError('cni', `CHECK ${attachment.containerId}: there is no result of an ADD`);
    for (const plugin of this.#options.config.plugins) await this.#run('CHECK', plugin, attachment, result);
  }

  /** Runs all plugins in reverse order. Idempotent. */
  async delete(attachment: CniAttachment): Promise<void> {
    const result = await this.#cached(attachment);
    for (const plugin of this.#options.config.plugins.toReversed()) await this.#run('DEL', plugin, attachment, result);
    await rm(this.#cachePath(attachment), { force: true });
  }

  async #run(
    verb: Verb,
    plugin: CniPluginConfig,
    attachment: CniAttachment,
    previous: CniResult | undefined,
  ): Promise<CniResult | undefined> {
    const { pluginDirectory, programs = {}, enter } = this.#options;
    const [file, args] = enter(programs[plugin.type] ?? join(pluginDirectory, plugin.type), []);
    const { stdout, stderr, exitCode } = await execa(file, args, {
      reject: false,
      env: {
        CNI_COMMAND: verb,
        CNI_CONTAINERID: attachment.containerId,
        CNI_NETNS: attachment.netns,
        CNI_IFNAME: attachment.ifName,
        CNI_ARGS: attachment.args.map(([key, value]) => `${key}=${value}`).join(';'),
        CNI_PATH: pluginDirectory,
      },
      input: JSON.stringify(this.#configOf(plugin, attachment, previous)),
    });
    if (exitCode !== 0) throw new LabError('cni', `${plugin.type} ${verb}: ${explainFailure(stdout, stderr)}`);
    return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as CniResult);
  }

  /** The stdin of one plugin (section 3, "Deriving execution configuration"). */
  #configOf(plugin: CniPluginConfig, attachment: CniAttachment, previous: CniResult | undefined): object {
    const { name, cniVersion } = this.#options.config;
    const { capabilities = {}, ...own } = plugin;
    const runtime = Object.entries(attachment.capabilityArgs).filter(([capability]) => capabilities[capability]);
    return {
      ...own,
      name,
      cniVersion,
      ...(runtime.length > 0 && { runtimeConfig: Object.fromEntries(runtime) }),
      ...(previous && { prevResult: previous }),
    };
  }

  #cachePath({ containerId, ifName }: CniAttachment): string {
    return join(this.#options.cacheDirectory, 'results', `${this.#options.config.name}-${containerId}-${ifName}`);
  }

  /** Writes the cache as libcni does (cacheAdd in libcni/api.go): same format and mode, and not atomically. */
  async #keep(attachment: CniAttachment, result: CniResult): Promise<void> {
    const path = this.#cachePath(attachment);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const entry = {
      kind: 'cniCacheV1',
      containerId: attachment.containerId,
      config: Buffer.from(JSON.stringify(this.#options.config)).toString('base64'),
      ifName: attachment.ifName,
      networkName: this.#options.config.name,
      netns: attachment.netns,
      cniArgs: attachment.args,
      capabilityArgs: attachment.capabilityArgs,
      result,
    };
    await writeFile(path, JSON.stringify(entry), { mode: 0o600 });
  }

  async #cached(attachment: CniAttachment): Promise<CniResult | undefined> {
    try {
      const entry = JSON.parse(await readFile(this.#cachePath(attachment), 'utf8')) as { result: CniResult };
      return entry.result;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Plugins report errors as JSON on stdout (section 5, "Error"). */
function explainFailure(stdout: string, stderr: string): string {
  try {
    const { msg, details } = JSON.parse(stdout) as { msg?: string; details?: string };
    if (msg) return details ? `${msg}: ${details}` : msg;
  } catch {
    // Not JSON: the raw output is the better message.
  }
  return (stderr || stdout).trim() || 'failed without output';
}
