package handshake

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/option"
)

// Server is what a server accepts. The zero value takes requests from its own
// origin and offers neither subprotocols nor extensions. Any number of
// goroutines may call Answer; the fields must not change then.
type Server struct {
	// Subprotocols are those the server speaks, the best first. The first of
	// them that the client offers is chosen.
	Subprotocols []string

	// Extensions are tried in the order of the client's offers. The first one
	// that accepts is used; never two, since one message can be coded once.
	Extensions []extension.Extension

	// Origins are the origins that may connect besides the server's own, each
	// a scheme, host and, when it is not the scheme's default, a port:
	// "https://app.example.com". They match exactly.
	Origins []string

	// AnyOrigin turns the check of the Origin off. Every page that a user of
	// the server visits can then connect in that user's name, cookies
	// included.
	AnyOrigin bool

	// Header is sent with a successful answer. Fields of the handshake itself
	// may not be in it.
	Header http.Header
}

// Result is what an opening handshake agreed on.
type Result struct {
	HTTPVersion int               // 1, 2 or 3
	Subprotocol string            // empty when there is none
	Extensions  []extension.Offer // as the server's answer has them
	Codec       extension.Codec   // nil when no extension changes messages; its owner closes it
	Header      http.Header       // client: the answer's; server: nil
}

// Validate checks the fields. The error is an [*option.Error], or what an
// extension's own Validate returns.
func (s *Server) Validate() error {
	if err := checkSubprotocols(s.Subprotocols); err != nil {
		return err
	}
	if err := checkExtensions(s.Extensions); err != nil {
		return err
	}
	for _, o := range s.Origins {
		if _, ok := parseOrigin(o); !ok {
			return &option.Error{Field: "Origins", Value: o, Want: `a scheme, host and perhaps port, "https://app.example.com"`}
		}
	}
	return checkHeader(s.Header)
}

// Answer decides on a request. The response is never nil: 101 over HTTP/1.1 or
// 200 over HTTP/2 and HTTP/3 when the error is nil, else the refusal to send.
// Header names must be in the canonical form of net/http. The body is not read.
//
// The error is an [*Error] with the refusal and its reason, or an
// [*option.Error] with status 500 when the server's own fields are bad.
func (s *Server) Answer(r *http.Request) (*Response, *Result, error) {
	if err := s.Validate(); err != nil {
		e := deny(http.StatusInternalServerError, "The server is misconfigured; its log says how.\n", err)
		return e.response(r), nil, err
	}
	if protocol, ok := connectProtocol(r); ok {
		return s.finish(r, checkConnect(r, protocol))
	}
	return s.finish(r, checkUpgrade(r))
}

// finish does what is the same for all versions of HTTP.
func (s *Server) finish(r *http.Request, e *Error) (*Response, *Result, error) {
	if e == nil {
		e = s.checkOrigin(r)
	}
	res := &Result{HTTPVersion: r.ProtoMajor}
	if e == nil {
		e = s.chooseSubprotocol(r, res)
	}
	if e == nil {
		e = s.chooseExtension(r, res)
	}
	if e != nil {
		return e.response(r), nil, e
	}
	return s.accept(r, res), res, nil
}

// accept builds the answer that opens the connection.
func (s *Server) accept(r *http.Request, res *Result) *Response {
	resp := &Response{Status: http.StatusOK, Header: make(http.Header, 5+len(s.Header))}
	for k, v := range s.Header {
		k = http.CanonicalHeaderKey(k)
		resp.Header[k] = append(resp.Header[k], v...)
	}
	lines := []string{"websocket", "Upgrade", ""} // one piece of memory for all
	if r.ProtoMajor == 1 {
		resp.Status = http.StatusSwitchingProtocols
		resp.Header[hUpgrade], resp.Header[hConnection] = lines[:1:1], lines[1:2:2]
	}
	// "The server MUST NOT" look for a key over HTTP/2 (RFC 8441, section 5),
	// yet clients that send one wait for its answer.
	if keys := r.Header[hKey]; len(keys) == 1 && validKey(keys[0]) {
		lines[2] = acceptKey(keys[0])
		resp.Header[hAccept] = lines[2:]
	}
	if res.Subprotocol != "" {
		resp.Header[hProtocol] = []string{res.Subprotocol}
	}
	if len(res.Extensions) > 0 {
		resp.Header[hExtensions] = []string{extension.FormatOffers(res.Extensions)}
	}
	return resp
}

// chooseSubprotocol takes the first of the server's that the client offers
// (RFC 6455, section 4.2.2). Without a common one the handshake succeeds
// without; the client decides whether it can live with that.
func (s *Server) chooseSubprotocol(r *http.Request, res *Result) *Error {
	lines := r.Header[hProtocol]
	if len(lines) == 0 {
		return nil
	}
	offered, err := extension.ParseTokens(lines, maxSubprotocols)
	if err != nil {
		return badRequest("Sec-WebSocket-Protocol must be a list of at most 32 tokens.\n", because(ErrSubprotocol, "%w", err))
	}
	for i, p := range offered {
		if indexOf(offered[:i], p) >= 0 {
			return badRequest("Sec-WebSocket-Protocol names a subprotocol twice; name each once.\n", because(ErrSubprotocol, "%q is offered twice", clip(p)))
		}
	}
	for _, p := range s.Subprotocols {
		if indexOf(offered, p) >= 0 {
			res.Subprotocol = p
			return nil
		}
	}
	return nil
}

// chooseExtension takes the first offer that an extension accepts. An offer
// that cannot be met is declined by silence (RFC 6455, section 9.1).
func (s *Server) chooseExtension(r *http.Request, res *Result) *Error {
	lines := r.Header[hExtensions]
	if len(lines) == 0 {
		return nil
	}
	offers, err := extension.ParseOffers(lines)
	if err != nil {
		return badRequest("Sec-WebSocket-Extensions is malformed, or has more than 16 elements.\n", because(ErrExtensions, "%w", err))
	}
	for _, o := range offers {
		for _, x := range s.Extensions {
			if x.Name() != o.Name {
				continue
			}
			answer, codec, ok := x.Accept(o)
			if !ok {
				continue
			}
			if answer.Name != o.Name || !answer.Valid() { // would break the header
				closeCodec(codec)
				continue
			}
			res.Extensions, res.Codec = []extension.Offer{answer}, codec
			return nil
		}
	}
	return nil
}

func closeCodec(c extension.Codec) {
	if c != nil {
		c.Close()
	}
}

// deny makes a refusal. The body is for whoever reads it at the other end: at
// most 128 bytes that say what to do next.
func deny(status int, body string, err error) *Error {
	h := make(http.Header, 5)
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	return &Error{Status: status, Header: h, Body: []byte(body), Err: err}
}

func badRequest(body string, err error) *Error { return deny(http.StatusBadRequest, body, err) }

// response is the refusal to send. After one no byte of an HTTP/1 connection
// is to be read as a request.
func (e *Error) response(r *http.Request) *Response {
	if r.ProtoMajor < 2 {
		e.Header[hConnection] = append([]string{"close"}, e.Header[hConnection]...)
	}
	return &Response{Status: e.Status, Header: e.Header, Body: string(e.Body)}
}

// Response is an answer to send.
type Response struct {
	Status int
	Header http.Header // canonical names
	Body   string      // empty unless it is a refusal
}

// AppendHTTP1 appends the response as HTTP/1.1 sends it, with its Content-Length
// when it is a refusal.
func (r *Response) AppendHTTP1(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(r.Status)...)
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, r.Header)
	if r.Status >= http.StatusOK {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(r.Body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, r.Body...)
}

// IsUpgrade reports whether r asks for a WebSocket: by Upgrade over HTTP/1.1,
// or by extended CONNECT over HTTP/2 and HTTP/3. It does not say that the
// request is good: that is [Server.Answer].
func IsUpgrade(r *http.Request) bool {
	if protocol, ok := connectProtocol(r); ok {
		return len(protocol) == 1 && equalFold(protocol[0], "websocket")
	}
	return r.ProtoMajor == 1 && extension.HasToken(r.Header[hConnection], "upgrade") && extension.HasToken(r.Header[hUpgrade], "websocket")
}

// connectProtocol returns the values of :protocol when r is an extended
// CONNECT. net/http puts them among the headers, quic-go into r.Proto.
func connectProtocol(r *http.Request) ([]string, bool) {
	if r.Method != http.MethodConnect || r.ProtoMajor < 2 {
		return nil, false
	}
	if p, ok := r.Header[":protocol"]; ok {
		return p, true
	}
	if r.Proto == "" || strings.HasPrefix(r.Proto, "HTTP/") {
		return nil, false
	}
	return []string{r.Proto}, true
}
