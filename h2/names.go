package h2

import (
	"net/http"
	"strings"
)

// names turns the names of fields from the lower case of HTTP/2 into the
// canonical form of net/http, and back. It does not change.
type names struct{ upper, lower map[string]string }

func newNames() names {
	n := names{make(map[string]string), make(map[string]string)}
	for _, c := range []string{
		"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Access-Control-Allow-Origin",
		"Access-Control-Request-Headers", "Access-Control-Request-Method", "Age", "Allow", "Authorization", "Cache-Control",
		"Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Location", "Content-Range",
		"Content-Security-Policy", "Content-Type", "Cookie", "Date", "Dnt", "Etag", "Expect", "Expires", "Forwarded", "From",
		"Grpc-Message", "Grpc-Status", "Grpc-Timeout", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
		"If-Unmodified-Since", "Last-Modified", "Link", "Location", "Max-Forwards", "Origin", "Pragma", "Priority",
		"Proxy-Authenticate", "Proxy-Authorization", "Range", "Referer", "Referrer-Policy", "Refresh", "Retry-After",
		"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site",
		"Sec-Fetch-User", "Sec-Gpc", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Key",
		"Sec-Websocket-Protocol", "Sec-Websocket-Version", "Server", "Set-Cookie", "Strict-Transport-Security", "Te",
		"Traceparent", "Tracestate", "Trailer", "Upgrade-Insecure-Requests", "User-Agent", "Vary", "Via", "Www-Authenticate",
		"X-Content-Type-Options", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto",
		"X-Frame-Options", "X-Real-Ip", "X-Request-Id", "X-Requested-With",
	} {
		l := strings.ToLower(c)
		n.upper[l], n.lower[c] = c, l
	}
	return n
}

func (n names) canonical(lower string) string {
	if c, ok := n.upper[lower]; ok {
		return c
	}
	return http.CanonicalHeaderKey(lower)
}

func (n names) lowered(name string) string {
	if l, ok := n.lower[name]; ok {
		return l
	}
	return strings.ToLower(name)
}
