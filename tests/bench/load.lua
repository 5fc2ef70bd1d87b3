-- wrk's requests, from a file of lines "method TAB target TAB token TAB body",
-- beginning at some line: wrk … URL -- FILE FIRST. The last line of its output
-- is what bench.py reads.
local requests, at = {}, 0

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
	end
	at = tonumber(args[2]) % #requests
end

function request()
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
