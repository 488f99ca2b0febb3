import { declareAttacks } from './on-each-lab.ts';
import { reversedEntries } from './reversed-entries.ts';

declareAttacks('a reversed connection entry', reversedEntries);
