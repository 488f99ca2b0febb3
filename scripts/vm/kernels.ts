/** Kernels and versions of nft that Debian has, by the suite that has them. */

/** The newest kernel of the suite. */
export const kernels = {
  '5.10': 'bullseye',
  '6.1': 'bookworm',
  '6.12': 'trixie',
  '7.3': 'trixie-backports',
} as const;
export type KernelName = keyof typeof kernels;

export const nftVersions = {
  '1.0.6': 'bookworm',
  '1.1.3': 'trixie',
  '1.1.7': 'sid',
} as const;
export type NftVersion = keyof typeof nftVersions;

export const isKernelName = (name: string): name is KernelName => Object.hasOwn(kernels, name);
export const isNftVersion = (name: string): name is NftVersion => Object.hasOwn(nftVersions, name);

/** The package that depends on the newest kernel of a suite. */
export const kernelPackage = 'linux-image-amd64';
/** Packages with parts of a kernel. Debian splits newer kernels into the image, the modules, and the list of what the image has built in. */
export const isKernelPart = (name: string): boolean => /^linux-(image|modules|binary|base)-\d/.test(name);

/** nft, and the libraries that belong to its version. */
export const nftPackages = ['nftables', 'libnftables1', 'libnftnl11', 'libmnl0'] as const;
