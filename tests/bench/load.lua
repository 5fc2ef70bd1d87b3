-- wrk's requests, from a file of lines "method TAB target TAB token TAB body",
-- beginning at some line: wrk … URL -- FILE FIRST. The last line of its output
-- is what bench.py reads. A refresh token is good once: then the lines are only
-- the first of a chain, each goes on with what its reply gave.
local requests, at, spare = {}, 0, {}

local function refresh(token)
	return wrk.format("POST", "/v1/sessions/refresh", {
		Host = wrk.headers["Host"], ["Content-Type"] = "application/json" },
		'{"refresh_token":"' .. token .. '"}')
end

local function keep(status, headers, body)
	local token = body:match('"refresh_token":"([^"]+)"')
	if token then spare[#spare + 1] = refresh(token) end
end

function init(args)
	for line in io.lines(args[1]) do
		local method, target, token, body = line:match("^(%S+)\t(%S+)\t(%S*)\t(.*)$")
		local headers = { Host = wrk.headers["Host"] }
		if token ~= "" then headers["Authorization"] = "Bearer " .. token end
		if body ~= "" then
			headers["Content-Type"] = "application/json"
		else
			body = nil
		end
		requests[#requests + 1] = wrk.format(method, target, headers, body)
		if target == "/v1/sessions/refresh" then
			spare[#spare + 1] = requests[#requests]
			response = keep
		end
	end
	at = tonumber(args[2]) % #requests
end

function request()
	if response then return table.remove(spare) end
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'{"requests": %d, "us": %d, "p50": %d, "p99": %d, "refused": %d, "lost": %d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.status, e.connect + e.read + e.write + e.timeout))
end
