package h2

import (
	"net/http"
	"net/url"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/h2"
)

// makeRequest makes the request of a head. It returns the status with which it
// is refused, or 0.
func (x *exchange) makeRequest(h *h2.Head, end bool) (refusal int) {
	if h.TooLarge {
		return http.StatusRequestHeaderFieldsTooLarge
	}
	header, host, trailer, wait := x.c.header(h)
	u, uri, err := target(h)
	if err != nil {
		return http.StatusBadRequest
	}
	r := http.Request{
		Method:     h.Method,
		URL:        u,
		Proto:      "HTTP/2.0",
		ProtoMajor: 2,
		Header:     header,
		Body:       http.NoBody,
		Host:       host,
		Trailer:    trailer,
		RemoteAddr: x.c.remote,
		RequestURI: uri,
		TLS:        x.c.tls,
	}
	if !end {
		r.Body = &x.body
		r.ContentLength = h.ContentLength
		x.body.wait.Store(wait)
		x.body.trailer = trailer
	}
	x.r = r.WithContext(&x.ctx)
	return 0
}

// header returns the fields of a request as net/http has them: Host, Trailer and
// an Expect that is dealt with are not among them.
func (c *conn) header(h *h2.Head) (header http.Header, host string, trailer http.Header, wait bool) {
	header = make(http.Header, len(h.Fields)+1)
	values := make([]string, len(h.Fields))
	host = h.Authority
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name {
		case "host":
			if host == "" {
				host = f.Value
			}
			continue
		case "trailer":
			trailer = announce(trailer, f.Value)
			continue
		case "expect":
			if extension.HasToken([]string{f.Value}, "100-continue") {
				wait = true
				continue
			}
		}
		name := c.names.canonical(f.Name)
		values[i] = f.Value
		if have, ok := header[name]; ok {
			header[name] = append(have, f.Value)
		} else {
			header[name] = values[i : i+1 : i+1]
		}
	}
	if h.Protocol != "" {
		header[":protocol"] = []string{h.Protocol} // where net/http puts it
	}
	return header, host, trailer, wait
}

// target returns the URL and the RequestURI.
func target(h *h2.Head) (*url.URL, string, error) {
	if h.Method == http.MethodConnect && h.Protocol == "" {
		return &url.URL{Host: h.Authority}, h.Authority, nil
	}
	u, err := url.ParseRequestURI(h.Path)
	if err == nil && h.Protocol != "" {
		u.Scheme = h.Scheme
	}
	return u, h.Path, err
}
