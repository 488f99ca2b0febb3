/** Kernels and versions of nft that Debian has, by the suite that has them. */

/** The newest kernel of the suite; Debian's security updates change the last number. */
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

/** The package that depends on the newest kernel of a suite. */
export const kernelPackage = 'linux-image-amd64';
/** Packages with parts of a kernel. Debian splits newer kernels into modules and the image. */
export const isKernelPart = (name: string): boolean => /^linux-(image|modules|binary)-\d/.test(name);

/** nft, and the libraries that belong to its version. */
export const nftPackages = ['nftables', 'libnftables1', 'libnftnl11', 'libmnl0'] as const;
