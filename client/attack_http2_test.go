package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/wstest"
)

// Types and flags of frames, and codes of errors (RFC 9113, sections 6 and 7).
const (
	data2, headers2, rst2, settings2, push2, ping2, goAway2, window2, continuation2 = 0, 1, 3, 4, 5, 6, 7, 8, 9

	endStream2, endHeaders2, ack2 = 1, 4, 1
)

const ok2 = "\x88" // :status 200 (RFC 7541, appendix A)

func u32(list ...uint32) (b []byte) {
	for _, n := range list {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// setting is an entry of SETTINGS.
func setting(id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, id), value)
}

// villain2 is a villain that speaks HTTP/2.
type villain2 struct {
	*villain
	mu sync.Mutex
}

func (v *villain2) send(kind, flags byte, stream uint32, payload string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := v.Write(frame2(kind, flags, stream, []byte(payload)))
	return err
}

// next reads a frame.
func (v *villain2) next() (kind, flags byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(v, head[:]); err != nil {
		return
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(v, payload)
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), payload, err
}

// serve answers SETTINGS and PING, and calls f with the number of each stream that
// begins.
func (v *villain2) serve(f func(stream uint32)) {
	for {
		kind, flags, stream, payload, err := v.next()
		if err != nil {
			return
		}
		switch {
		case kind == settings2 && flags&ack2 == 0:
			v.send(settings2, ack2, 0, "")
		case kind == ping2 && flags&ack2 == 0:
			v.send(ping2, ack2, 0, string(payload))
		case kind == headers2 && f != nil:
			f(stream)
		}
	}
}

// newVillain2 serves each connection by f, after the prefaces.
func newVillain2(t *testing.T, settings []byte, f func(v *villain2)) *wstest.Listener {
	t.Helper()
	return newVillain(t, func(v *villain) {
		w := &villain2{villain: v}
		if _, err := io.ReadFull(v, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		w.send(settings2, 0, 0, string(settings))
		f(w)
	})
}

// honest2 answers requests with "fine".
func (v *villain2) honest2() {
	v.serve(func(stream uint32) {
		v.send(headers2, endHeaders2, stream, ok2)
		v.send(data2, endStream2, stream, "fine")
	})
}

// S3.7 and the like over HTTP/2: what must not be sent ends the stream or the
// connection; the next request is answered by a server that behaves.
func TestAttackHTTP2(t *testing.T) {
	forever := func(v *villain2, kind, flags byte, stream uint32, payload string) {
		for v.send(kind, flags, stream, payload) == nil {
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(v *villain2, stream uint32)
		want   string // what the error says
		conns  int    // at the end
	}{
		{"PUSH_PROMISE", func(v *villain2, s uint32) { v.send(push2, endHeaders2, s, string(u32(2))+ok2) }, "PROTOCOL_ERROR", 2},
		{"no status", func(v *villain2, s uint32) { v.send(headers2, endHeaders2|endStream2, s, "\x00\x01a\x01b") }, "PROTOCOL_ERROR", 1},
		{"status 99", func(v *villain2, s uint32) { v.send(headers2, endHeaders2|endStream2, s, "\x08\x0299") }, "PROTOCOL_ERROR", 1},
		{"status 101", func(v *villain2, s uint32) { v.send(headers2, endHeaders2, s, "\x08\x03101") }, "PROTOCOL_ERROR", 1},
		{"upper case", func(v *villain2, s uint32) { v.send(headers2, endHeaders2|endStream2, s, ok2+"\x00\x01A\x01b") }, "PROTOCOL_ERROR", 1},
		{"CR LF in a value", func(v *villain2, s uint32) { v.send(headers2, endHeaders2|endStream2, s, ok2+"\x00\x01a\x04b\r\nc") }, "PROTOCOL_ERROR", 1},
		{"connection field", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2|endStream2, s, ok2+"\x00\x0aconnection\x05close")
		}, "PROTOCOL_ERROR", 1},
		{"transfer-encoding", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2|endStream2, s, ok2+"\x00\x11transfer-encoding\x07chunked")
		}, "PROTOCOL_ERROR", 1},
		{"two lengths", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2, s, ok2+"\x00\x0econtent-length\x011\x00\x0econtent-length\x012")
			v.send(data2, endStream2, s, "ab")
		}, "PROTOCOL_ERROR", 1},
		{"longer than its length", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2, s, ok2+"\x00\x0econtent-length\x011")
			v.send(data2, endStream2, s, "ab")
		}, "PROTOCOL_ERROR", 1},
		{"shorter than its length", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2, s, ok2+"\x00\x0econtent-length\x015")
			v.send(data2, endStream2, s, "ab")
		}, "PROTOCOL_ERROR", 1},
		{"DATA before a head", func(v *villain2, s uint32) { v.send(data2, endStream2, s, "ab") }, "PROTOCOL_ERROR", 1},
		{"DATA on an idle stream", func(v *villain2, s uint32) { v.send(data2, 0, s+100, "ab") }, "PROTOCOL_ERROR", 2},
		{"HEADERS on a stream of its own", func(v *villain2, _ uint32) { v.send(headers2, endHeaders2, 2, ok2) }, "PROTOCOL_ERROR", 2},
		{"bad HPACK", func(v *villain2, s uint32) { v.send(headers2, endHeaders2, s, "\xff\xff\xff\xff\xff\xff\xff") }, "COMPRESSION_ERROR", 2},
		{"long frame", func(v *villain2, s uint32) { v.send(data2, 0, s, strings.Repeat("a", 17000)) }, "FRAME_SIZE_ERROR", 2},
		{"window of more than 2 GiB", func(v *villain2, _ uint32) { v.send(window2, 0, 0, string(u32(1<<31-1))) }, "FLOW_CONTROL_ERROR", 2},
		{"stream's window of more than 2 GiB", func(v *villain2, s uint32) { v.send(window2, 0, s, string(u32(1<<31-1))) }, "FLOW_CONTROL_ERROR", 1},
		{"window by 0", func(v *villain2, _ uint32) { v.send(window2, 0, 0, string(u32(0))) }, "PROTOCOL_ERROR", 2},
		{"1xx flood", func(v *villain2, s uint32) { forever(v, headers2, endHeaders2, s, "\x08\x03103") }, "interim", 2},
		{"endless CONTINUATION", func(v *villain2, s uint32) {
			v.send(headers2, 0, s, ok2)
			forever(v, continuation2, 0, s, strings.Repeat("\x00\x01a\x01b", 100))
		}, "", 2},
		{"empty CONTINUATION", func(v *villain2, s uint32) {
			v.send(headers2, 0, s, ok2)
			forever(v, continuation2, 0, s, "")
		}, "ENHANCE_YOUR_CALM", 2},
		{"header bomb", func(v *villain2, s uint32) {
			// A field of 4,000 bytes is put into the table, and named 4,000 times.
			v.send(headers2, endHeaders2, s, ok2+"\x40\x01a\x7f\xa1\x1e"+strings.Repeat("b", 4000)+strings.Repeat("\xbe", 4000))
		}, "", 2},
		{"empty DATA", func(v *villain2, s uint32) {
			v.send(headers2, endHeaders2, s, ok2)
			forever(v, data2, 0, s, "")
		}, "ENHANCE_YOUR_CALM", 2},
		{"PING flood", func(v *villain2, _ uint32) { forever(v, ping2, 0, 0, "12345678") }, "ENHANCE_YOUR_CALM", 2},
		{"SETTINGS flood", func(v *villain2, _ uint32) { forever(v, settings2, 0, 0, "") }, "ENHANCE_YOUR_CALM", 2},
		{"ENABLE_CONNECT_PROTOCOL taken back", func(v *villain2, _ uint32) {
			v.send(settings2, 0, 0, string(setting(8, 1)))
			v.send(settings2, 0, 0, string(setting(8, 0)))
		}, "PROTOCOL_ERROR", 2},
		{"ENABLE_PUSH by a server", func(v *villain2, _ uint32) { v.send(settings2, 0, 0, string(setting(2, 1))) }, "PROTOCOL_ERROR", 2},
		{"RST_STREAM", func(v *villain2, s uint32) { v.send(rst2, 0, s, string(u32(2))) }, "INTERNAL_ERROR", 1},
		{"GOAWAY with an error", func(v *villain2, _ uint32) {
			v.send(goAway2, 0, 0, string(u32(1<<31-1, 11))+"calm")
			time.Sleep(time.Second)
			v.Close()
		}, "ENHANCE_YOUR_CALM", 2},
		{"end of the connection", func(v *villain2, _ uint32) { v.Close() }, "", 2},
		{"HTTP/1.1 answer", func(v *villain2, _ uint32) { v.say("HTTP/1.1 400 Bad Request\r\n\r\n") }, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newVillain2(t, nil, func(v *villain2) {
					if v.n > 1 {
						v.honest2()
						return
					}
					first := true
					v.serve(func(stream uint32) {
						if first {
							first = false
							go tt.answer(v, stream)
							return
						}
						v.send(headers2, endHeaders2, stream, ok2)
						v.send(data2, endStream2, stream, "fine")
					})
				})
				c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}, RetryTimeout: time.Millisecond})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				r, _ := http.NewRequestWithContext(ctx, "GET", "/first", nil)
				res, err := c.RoundTrip(r)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v, want %s", err, tt.want)
				}
				time.Sleep(time.Second)
				if body, err := get(t, c, "/second"); err != nil || body != "fine" {
					t.Errorf("then %q, %v", body, err)
				}
				if ln.Dials() != tt.conns {
					t.Errorf("%d connections, want %d", ln.Dials(), tt.conns)
				}
			})
		})
	}
}

// A server that resets every stream as not looked at, or goes away again and
// again, gets a bounded number of requests.
func TestAttackRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    func(v *villain2, stream uint32)
	}{
		{"REFUSED_STREAM", func(v *villain2, s uint32) { v.send(rst2, 0, s, string(u32(7))) }},
		{"GOAWAY 0", func(v *villain2, _ uint32) { v.send(goAway2, 0, 0, string(u32(0, 0))) }},
		{"GOAWAY 0 and the end", func(v *villain2, _ uint32) { v.send(goAway2, 0, 0, string(u32(0, 0))); v.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				n := 0
				ln := newVillain2(t, nil, func(v *villain2) {
					v.serve(func(stream uint32) {
						mu.Lock()
						n++
						mu.Unlock()
						tt.f(v, stream)
					})
				})
				c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
				start := time.Now()
				_, err := get(t, c, "/")
				mu.Lock()
				defer mu.Unlock()
				if err == nil || n > 10 || ln.Dials() > 10 {
					t.Errorf("%v; %d requests over %d connections in %v", err, n, ln.Dials(), since(start))
				}
			})
		})
	}
}

// Without SETTINGS, without streams or with windows of 0 forever: opening
// handshakes end with UpgradeTimeout, requests with their context.
func TestAttackHTTP2Stalls(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings []byte
	}{
		{"no answer", setting(8, 1)},
		{"no streams", append(setting(8, 1), setting(3, 0)...)},
		{"no window", append(setting(8, 1), setting(4, 0)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newVillain2(t, tt.settings, func(v *villain2) { v.serve(nil) })
				c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
				start := time.Now()
				if _, err := c.Upgrade(t.Context(), "/", nil); err == nil || since(start) != 10*time.Second {
					t.Errorf("Upgrade: %v after %v", err, since(start))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start = time.Now()
				r, _ := http.NewRequestWithContext(ctx, "POST", "/", io.LimitReader(zeros{}, 1<<20))
				if _, err := c.RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) || since(start) != time.Minute {
					t.Errorf("RoundTrip: %v after %v", err, since(start))
				}
				if i := c.Info(); len(i.Open) != 0 || ln.Dials() != 1 {
					t.Errorf("%+v, %d connections", i, ln.Dials())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ln := newVillain(t, func(v *villain) { v.idle() })
		c := open(t, ln, &client.Options{Protocols: []client.Protocol{client.HTTP2}})
		start := time.Now()
		if _, err := c.Upgrade(t.Context(), "/", nil); err == nil || since(start) != 10*time.Second {
			t.Errorf("Upgrade without SETTINGS: %v after %v", err, since(start))
		}
	})
}
