import { declareAttacks } from './on-each-lab.ts';
import { tunnelAttacks } from './tunnel-attacks.ts';

declareAttacks('tunnels of nodes, used by pods', tunnelAttacks);
