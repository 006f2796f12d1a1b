package client

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h2"
)

// tracer writes a line for each step and frame, with the seconds since the
// beginning: * is a step, > was sent, < was received, #2 is a Ref.
//
//	0.000 * attempt 1, 5 retries left
//	0.001 * connect 127.0.0.1:8080: done in 0.3ms
//	0.001 * up: HTTP/1.1
//	0.002 > #1 GET /chat
//	0.003 < #1 101 Switching Protocols
//	0.004 > #1 text FIN masked 5 bytes
//
// Each line is one Write, and errors of the writer are ignored.
type tracer struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
	line  []byte
}

func newTracer(w io.Writer) *tracer { return &tracer{w: w, start: time.Now()} }

func (t *tracer) note(format string, a ...any)     { t.print('*', format, a) }
func (t *tracer) sent(format string, a ...any)     { t.print('>', format, a) }
func (t *tracer) received(format string, a ...any) { t.print('<', format, a) }

func (t *tracer) print(mark byte, format string, a []any) {
	text := strings.Map(visible, fmt.Sprintf(format, a...))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = fmt.Appendf(t.line[:0], "%9.3f %c %s\n", time.Since(t.start).Seconds(), mark, text)
	_, _ = t.w.Write(t.line)
}

// visible keeps what a peer sent from doing anything but being read.
func visible(r rune) rune {
	if !unicode.IsPrint(r) {
		return '?'
	}
	return r
}

func (t *tracer) dialStep(i dial.Info) {
	switch {
	case !i.Done:
		t.note("%s %s", i.Step, i.Addr)
	case i.Err != nil:
		t.note("%s %s: failed in %s", i.Step, i.Addr, millis(i.Took))
	case i.TLS != nil:
		alpn := ""
		if p := i.TLS.NegotiatedProtocol; p != "" {
			alpn = ", ALPN " + p
		}
		t.note("%s %s: %s%s in %s", i.Step, i.Addr, tls.VersionName(i.TLS.Version), alpn, millis(i.Took))
	case len(i.Addrs) > 0 && i.Addrs[0] != i.Addr:
		t.note("%s %s: %s in %s", i.Step, i.Addr, strings.Join(i.Addrs, " "), millis(i.Took))
	default:
		t.note("%s %s: done in %s", i.Step, i.Addr, millis(i.Took))
	}
}

// millis is a short time.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
}

func (t *tracer) request(i RequestInfo) {
	switch i.Phase {
	case PhaseHead:
		t.sent("#%d %s %s", i.Ref, i.Request.Method, i.Request.URL.RequestURI())
	case PhaseEnd:
		if i.Err != nil {
			t.note("#%d request failed: %s", i.Ref, trimmed(i.Err))
		} else if i.Request.Body != nil && i.Request.Body != http.NoBody {
			t.sent("#%d body sent", i.Ref)
		}
	}
}

func (t *tracer) response(i ResponseInfo) {
	switch i.Phase {
	case PhaseInterim, PhaseHead:
		t.received("#%d %d %s", i.Ref, i.Status, http.StatusText(i.Status))
	case PhaseTrailer:
		t.received("#%d trailer", i.Ref)
	case PhaseEnd:
		if i.Err != nil {
			t.note("#%d response failed: %s", i.Ref, trimmed(i.Err))
		} else {
			t.received("#%d end", i.Ref)
		}
	}
}

func (t *tracer) upgrade(i UpgradeInfo) {
	switch {
	case !i.Done:
		t.note("#%d upgrade %s", i.Ref, i.Path)
	case i.Err != nil:
		t.note("#%d upgrade failed: %s", i.Ref, trimmed(i.Err))
	case i.Socket.Subprotocol() != "":
		t.note("#%d open, subprotocol %s", i.Ref, i.Socket.Subprotocol())
	default:
		t.note("#%d open", i.Ref)
	}
}

func (t *tracer) frame(ref Ref, sent bool, h frame.Header) {
	t.print(direction(sent), "#%d %s%s %s", []any{ref, h.Opcode, flags(h), count(h.Length, "byte", "bytes")})
}

// http2 is a frame of HTTP/2, which carries the others.
func (t *tracer) http2(i h2.FrameInfo) {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/2 %v", i.Type)
	if i.Stream != 0 {
		fmt.Fprintf(&b, " stream %d", i.Stream)
	}
	data := false
	switch i.Type {
	case h2.FrameData, h2.FrameHeaders:
		data = true
		if i.Flags&uint8(h2.FlagEndStream) != 0 {
			b.WriteString(" END_STREAM")
		}
	case h2.FrameSettings, h2.FramePing:
		if i.Flags&uint8(h2.FlagAck) != 0 {
			b.WriteString(" ACK")
		}
		for _, s := range i.Settings {
			fmt.Fprintf(&b, " %v=%d", s.ID, s.Value)
		}
	case h2.FrameRSTStream:
		fmt.Fprintf(&b, " %v", i.Code)
	case h2.FrameGoAway:
		fmt.Fprintf(&b, " %v last stream %d", i.Code, i.Value)
	case h2.FrameWindowUpdate:
		fmt.Fprintf(&b, " +%d", i.Value)
	default:
		data = true
	}
	if data {
		b.WriteString(" " + count(int64(i.Length), "byte", "bytes"))
	}
	t.print(direction(i.Sent), "%s", []any{b.String()})
}

// direction marks what was sent or received.
func direction(sent bool) byte {
	if sent {
		return '>'
	}
	return '<'
}

// flags names the bits of a frame's header that are set.
func flags(h frame.Header) string {
	s := ""
	if h.Fin {
		s = " FIN"
	}
	for i, bit := range [...]frame.RSV{frame.RSV1, frame.RSV2, frame.RSV3} {
		if h.RSV&bit != 0 {
			s += fmt.Sprintf(" RSV%d", i+1)
		}
	}
	if h.Masked {
		s += " masked"
	}
	return s
}
