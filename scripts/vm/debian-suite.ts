import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Packages of a Debian suite that need not be the machine's own. */
export interface DebianSuite {
  /** Names of packages on which the package depends, one of each alternative. */
  dependenciesOf(name: string): Promise<string[]>;
  /** Downloads the packages and unpacks them into the folder. The folder exists only if all of it is there. */
  unpack(names: readonly string[], folder: string): Promise<void>;
}

/**
 * Reads the lists of a suite of the machine's own archive, with folders of its own for apt. Changes nothing on the machine.
 * @param cache a folder that it may fill
 */
export async function openSuite(suite: string, cache: string): Promise<DebianSuite> {
  const apt = join(cache, 'apt', suite);
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true });
  const { stdout: targets } = await execa('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
  ]);
  await writeFile(join(apt, 'list'), `deb [signed-by=${findKeyring()}] ${findArchive(targets)} ${suite} main\n`);
  const options = [
    `Dir::Etc::SourceList=${apt}/list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${apt}/lists`,
    // apt prefers an installed version that is newer than the suite's.
    'Dir::State::Status=/dev/null',
    `Dir::Cache=${apt}/cache`,
    // Without the sandbox user, who may not write into the cache of root.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  await execa('apt-get', [...options, '-qq', 'update']);
  return {
    async dependenciesOf(name) {
      const { stdout } = await execa('apt-cache', [...options, 'depends', '--important', name]);
      return readDependencies(stdout);
    },
    async unpack(names, folder) {
      const packages = await mkdtemp(`${folder}.packages-`);
      const partial = await mkdtemp(`${folder}.partial-`);
      try {
        await execa('apt-get', [...options, '-qq', 'download', ...names], { cwd: packages });
        for (const file of await readdir(packages)) await execa('dpkg-deb', ['-x', join(packages, file), partial]);
        await rename(partial, folder).catch((error: unknown) => {
          // Another run was quicker.
          if (!existsSync(folder)) throw error;
        });
      } finally {
        for (const each of [packages, partial]) await rm(each, { recursive: true, force: true });
      }
    },
  };
}

/** Reads the output of `apt-cache depends`. Packages that do not exist by themselves stand in angle brackets. */
export function readDependencies(text: string): string[] {
  return Array.from(text.matchAll(/^ *\|?Depends: ([^\s<]+)$/gm), ([, name]) => name!);
}

/** The Debian archive from which the machine installs its own packages. */
export function findArchive(targets: string): string {
  const archive = targets.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  if (archive !== undefined) return archive;
  throw new Error(
    'this machine installs nothing from an archive of Debian: run this on Debian, or in a container of it',
  );
}

function findKeyring(): string {
  const files = ['pgp', 'gpg'].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`the keys of Debian's archive are missing: install debian-archive-keyring`);
  return found;
}
