// The peer a Node team would write: Fastify with its JSON schemas, fast-jwt
// with its cache, node-postgres with named statements, one process a core.
//
//	node server.js SETTINGS.json     (written by stack.py)
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const { createVerifier } = require('fast-jwt');
const { Pool } = require('pg');

const settings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

if (cluster.isPrimary) {
	for (let i = 0; i < settings.processes; i++)
		cluster.fork();
	process.on('SIGTERM', () => process.exit(0));
} else {
	serve();
}

function serve() {
	const app = require('fastify')({ logger: true, disableRequestLogging: true });
	const pool = new Pool(settings.pool);
	const verify = createVerifier({
		key: fs.readFileSync(settings.public_key),
		algorithms: ['ES256'],
		allowedIss: 'linli',
		allowedAud: 'linli',
		cache: true,
	});

	// One request's transaction: the caller's context, then the query.
	async function query(actor, statement, values) {
		const client = await pool.connect();
		let broken;
		try {
			await client.query('begin');
			await client.query({
				name: 'enter',
				text: settings.sql.enter,
				values: [actor.sid, `${actor.sub} ${actor.role} ${actor.street} ${actor.epoch}`],
			});
			const { rows } = await client.query({
				name: statement,
				text: settings.sql[statement],
				values,
			});
			await client.query('commit');
			return rows;
		} catch (error) {
			await client.query('rollback').catch((e) => { broken = e; });
			throw error;
		} finally {
			client.release(broken);
		}
	}

	app.decorateRequest('actor', null);
	app.addHook('onRequest', async (request, reply) => {
		const header = request.headers.authorization;
		try {
			request.actor = verify(header.slice('Bearer '.length));
		} catch {
			return reply.code(401).send({ title: 'Unauthorized', status: 401 });
		}
	});
	app.addHook('onResponse', async (request, reply) => {
		request.log.info({
			method: request.method,
			route: request.routeOptions.url,
			status: reply.statusCode,
			actor: request.actor?.sub,
			ms: reply.elapsedTime,
		}, 'request');
	});

	const cursor = (row) =>
		Buffer.from(`${row.created_at.toISOString()}:${row.id}`).toString('base64url');

	app.get('/v1/tickets/:id', {
		schema: {
			params: {
				type: 'object',
				properties: { id: { type: 'string', format: 'uuid' } },
			},
			response: { 200: settings.schemas.Ticket },
		},
	}, async (request, reply) => {
		const [row] = await query(request.actor, 'getTicket',
			[request.actor.street, request.params.id]);
		if (!row)
			return reply.code(404).send({ title: 'Not Found', status: 404 });
		reply.header('ETag', `"${row._etag}"`);
		return row;
	});

	app.get('/v1/tickets', {
		schema: {
			querystring: {
				type: 'object',
				properties: {
					limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
					after: { type: 'string', maxLength: 200 },
				},
			},
			response: { 200: settings.schemas.TicketList },
		},
	}, async (request) => {
		const { limit, after } = request.query;
		const rows = after
			? await query(request.actor, 'listTicketsAfter',
				[Buffer.from(after, 'base64url').toString(), limit])
			: await query(request.actor, 'listTickets', [request.actor.street, limit]);
		const items = rows.slice(0, limit);
		const more = rows.length > limit;
		return {
			items,
			next: more ? cursor(items[limit - 1]) : null,
		};
	});

	app.listen({ port: settings.port, host: '127.0.0.1' });
}
