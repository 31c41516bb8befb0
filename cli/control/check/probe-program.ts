/** What probe.ts starts under the toolkit: `alone COUNT`, or a conversation as JSON. Prints how often it was answered. */
import process from 'node:process';
import {converse, converseAlone, type Conversation} from './converse.js';

const [what = '', count] = process.argv.slice(2);
const answers = what === 'alone' ? converseAlone(Number(count)) : converse(JSON.parse(what) as Conversation);
process.stdout.write(`${await answers}\n`);
