import { declareAttacks } from './on-each-lab.ts';
import { overheard } from './overheard-attacks.ts';

declareAttacks('what the node sends to another pod of a bridge', overheard);
