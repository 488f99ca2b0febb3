import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { openSuite } from './debian-suite.ts';
import { isKernelPart, kernelPackage, kernels, type KernelName } from './kernels.ts';

export interface Kernel {
  /** As `uname -r` prints it. */
  readonly release: string;
  readonly image: string;
  readonly initrd: string;
  /** The folder of its modules. */
  readonly modules: string;
}

/** What the first process of the virtual machine needs to mount this machine's files. */
const bootModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'] as const;

const init = join(import.meta.dirname, 'init.sh');
const busybox = '/bin/busybox';

/** Finds the kernel in the cache, or gets it from Debian. */
export async function provideKernel(name: KernelName, cache: string, report: (text: string) => void): Promise<Kernel> {
  const folder = join(cache, `linux-${name}`);
  if (!existsSync(folder)) {
    report(`getting Linux ${name} from Debian ${kernels[name]}`);
    const suite = await openSuite(kernels[name], cache);
    await suite.unpack(await findParts((part) => suite.dependenciesOf(part), kernelPackage), folder);
  }
  // modprobe and depmod look below lib.
  if (!existsSync(join(folder, 'lib'))) await symlink('usr/lib', join(folder, 'lib'));
  const [release] = await readdir(join(folder, 'lib/modules'));
  if (release === undefined) throw new Error(`${folder} has no modules: delete it, and it is made again`);
  const modules = join(folder, 'lib/modules', release);
  const images = [join(modules, 'vmlinuz'), join(folder, 'boot', `vmlinuz-${release}`)];
  const image = images.find((file) => existsSync(file));
  if (image === undefined) throw new Error(`${folder} has no kernel image: delete it, and it is made again`);
  const digest = createHash('sha256')
    .update(await readFile(init))
    .update(await readFile(busybox))
    .digest('hex');
  const initrd = join(folder, `initrd-${digest.slice(0, 8)}.gz`);
  if (!existsSync(initrd)) {
    report(`preparing Linux ${name}`);
    await makeInitrd(folder, release, initrd);
  }
  return { release, image, initrd, modules };
}

/** The packages with the parts of a kernel, of all on which the package depends. */
export async function findParts(dependenciesOf: (name: string) => Promise<string[]>, name: string): Promise<string[]> {
  const parts = (await dependenciesOf(name)).filter(isKernelPart);
  const below = await Promise.all(parts.map((part) => findParts(dependenciesOf, part)));
  return [...new Set([...parts, ...below.flat()])];
}

async function makeInitrd(kernel: string, release: string, initrd: string): Promise<void> {
  await execa('depmod', ['-b', kernel, release]);
  const root = await mkdtemp(join(tmpdir(), 'postern-initrd-'));
  try {
    const folders = ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'upper', 'newroot'];
    for (const folder of folders) await mkdir(join(root, folder));
    await copyProgram(busybox, root);
    for (const tool of ['sh', 'mount', 'mkdir', 'ln', 'insmod', 'switch_root']) {
      await symlink('busybox', join(root, 'bin', tool));
    }
    const files = await findModules(kernel, release);
    for (const file of files) await unpackModule(file, join(root, 'modules', nameOf(file)));
    await writeFile(join(root, 'modules/order'), `${files.map(nameOf).join('\n')}\n`);
    await copyFile(init, join(root, 'init'));
    await chmod(join(root, 'init'), 0o755);
    const partial = `${initrd}.${process.pid}`;
    await execa({ cwd: root, shell: true, stdout: { file: partial } })`find . | cpio --quiet -o -H newc | gzip -1`;
    await rename(partial, initrd);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Copies a program to the same path below `root`, with its libraries: busybox is static or not, by its package. */
async function copyProgram(program: string, root: string): Promise<void> {
  // ldd fails for a static program.
  const { stdout } = await execa('ldd', [program], { reject: false });
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  for (const path of [program, ...libraries]) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await copyFile(path, join(root, path));
  }
}

/** Paths of module files, in the order in which the kernel loads them. Parts of the kernel image have no file. */
async function findModules(kernel: string, release: string): Promise<string[]> {
  const ordered = new Set<string>();
  for (const module of bootModules) {
    const { stdout } = await execa('modprobe', ['-d', kernel, '-S', release, '--show-depends', module]);
    for (const [, file] of stdout.matchAll(/^insmod (\S+)/gm)) ordered.add(file!);
  }
  return [...ordered];
}

const nameOf = (file: string): string => basename(file).replace(/\.(xz|zst)$/, '');

/** busybox loads only modules that are not compressed. */
async function unpackModule(file: string, to: string): Promise<void> {
  if (file.endsWith('.xz')) await execa('xz', ['-dc', file], { stdout: { file: to } });
  else if (file.endsWith('.zst')) await execa('zstd', ['-qdc', file], { stdout: { file: to } });
  else await copyFile(file, to);
}
