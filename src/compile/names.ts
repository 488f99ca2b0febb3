/** Chains and sets that every rule set has. Names of classes and of their sets end in a hash (lib/hash.ts), which no name here does. */
export const chainNames = {
  special: 'special',
  midstream: 'midstream',
  replies: 'replies',
  deny: { ingress: 'deny-ingress', egress: 'deny-egress' },
} as const;

export const orientations = ['original', 'reply'] as const;
/** Replies are read mirrored: source and destination exchanged (S0.1, S5.14). */
export type Orientation = (typeof orientations)[number];

export const familyDigit = { ipv4: '4', ipv6: '6' } as const;

/** `egress4`, `ingress6-r` … */
export function isolationMapName(direction: string, family: 'ipv4' | 'ipv6', orientation: Orientation): string {
  return `${direction}${familyDigit[family]}${orientation === 'reply' ? '-r' : ''}`;
}

export const isolatedSetName = { ipv4: 'isolated4', ipv6: 'isolated6' } as const;
export const selfSetName = { ipv4: 'self4', ipv6: 'self6' } as const;
