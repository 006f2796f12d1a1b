package reconnect_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/lariat-go/websocket/wstest"
)

// callOrder is what callbacks may be called, in which order, as letters: Connect,
// Message, cLose, Error, Disconnect, Failed.
var callOrder = regexp.MustCompile(`^(F|CM*[LE]D)*$`)

// moods is a server that accepts, refuses, hangs up, floods and is silent as it
// likes.
func moods(c net.Conn, r *rand.Rand) {
	in := bufio.NewReader(c)
	if r.IntN(8) == 0 {
		return
	}
	q, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	switch r.IntN(12) {
	case 0:
		return
	case 1:
		fmt.Fprintf(c, "HTTP/1.1 503 No\r\nRetry-After: %d\r\nContent-Length: 2\r\n\r\nno", r.IntN(5))
		return
	case 2:
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
		return
	case 3:
		io.Copy(io.Discard, in) // no answer
		return
	case 4:
		io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")
		return
	}
	// RFC 6455, section 4.2.2.
	sum := sha1.Sum([]byte(q.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	if r.IntN(8) != 0 { // else it does not read
		go io.Copy(io.Discard, in)
	}
	for range r.IntN(20) {
		frames := []string{"\x81\x02hi", "\x82\x02hi", "\x01\x02hi", "\x80\x00", "\x89\x00", "\x8a\x00"}
		if _, err := io.WriteString(c, frames[r.IntN(len(frames)-r.IntN(2))]); err != nil {
			return
		}
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(5000)) * time.Millisecond)
		}
	}
	switch r.IntN(6) {
	case 0:
		code := []int{1000, 1001, 1011, 1012, 1013, 4000}[r.IntN(6)]
		c.Write([]byte{0x88, 2, byte(code >> 8), byte(code)})
		time.Sleep(time.Second)
	case 1:
		c.Write([]byte{0x88, 0})
	case 2:
		time.Sleep(time.Hour)
	case 3:
		c.Write([]byte{0xff, 0xff})
	}
}

// R7, R14, R15: whatever the server does, callbacks come in their order, calls
// return, and the end is the end.
func TestAttackRandom(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			ln := wstest.NewListener(nil)
			var serving sync.WaitGroup
			serving.Go(func() {
				for n := uint64(0); ; n++ {
					k, err := ln.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						defer k.Close()
						moods(k, rand.New(rand.NewPCG(seed, n)))
					})
				}
			})
			r := rand.New(rand.NewPCG(seed, 1<<40))
			o := &reconnect.Options{MaxRedirects: r.IntN(3), WhileDown: reconnect.WhileDown(r.IntN(3))}
			o.Client.Dial = ln.Dial
			o.Outbox = reconnect.Outbox{MaxMessages: 1 + r.IntN(20), Acknowledge: o.WhileDown == reconnect.Queue && r.IntN(2) == 0}
			if seed%3 != 0 { // it never gives up
				o.AfterLocalClose = true
				o.Policy.Close = map[websocket.StatusCode]bool{1000: true, 1002: true, 1005: true, 1007: true, 1009: true, 4000: true}
			}
			k := newRecorder()
			next := func() reconnect.Next {
				switch r.IntN(12) {
				case 0:
					return reconnect.Retry(time.Duration(r.IntN(3000)) * time.Millisecond)
				case 1:
					return reconnect.To("ws://192.0.2.9/other", nil)
				case 2:
					return reconnect.Retry(-1)
				}
				return reconnect.Next{}
			}
			k.closed = func(*reconnect.Client, websocket.StatusCode) reconnect.Next { return next() }
			k.failed = func(*reconnect.Client, error) reconnect.Next { return next() }
			k.connectError = func(*reconnect.Client, error, int) reconnect.Next { return next() }
			k.message = func(c *reconnect.Client, _ websocket.Message) {
				if n := len(k.all()); n%7 == 0 {
					time.Sleep(2 * time.Second)
				} else if n%11 == 0 {
					c.Write(context.Background(), websocket.MessageText, []byte("answer"))
				}
			}
			c := start(t, k, o)
			var calls sync.WaitGroup
			for i := range 3 {
				own := rand.New(rand.NewPCG(seed, uint64(i)+1<<41))
				calls.Go(func() {
					for range 30 {
						ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
						before := time.Now()
						switch own.IntN(6) {
						case 0:
							c.Flush(ctx)
						case 1:
							c.Kick()
						case 2:
							c.AwaitUp(ctx)
						case 3:
							if s := c.Conn(); s != nil && own.IntN(10) == 0 {
								s.CloseNow()
							}
						default:
							seq, _ := c.Send(ctx, websocket.MessageText, []byte("text"))
							if seq > 0 && own.IntN(2) == 0 {
								c.Ack(seq)
							}
						}
						cancel()
						if d := time.Since(before); d > 2*time.Second {
							t.Errorf("seed %d: a call took %v", seed, d)
						}
						time.Sleep(time.Duration(own.IntN(2000)) * time.Millisecond)
					}
				})
			}
			calls.Wait()
			before := time.Now()
			if seed%2 == 0 {
				c.CloseNow()
			} else {
				c.Close(websocket.StatusNormalClosure, "")
			}
			if d := time.Since(before); d > 11*time.Second {
				t.Errorf("seed %d: the end took %v", seed, d)
			}
			over(t, c)
			ln.Close()
			ln.Cut()
			serving.Wait()
			var letters strings.Builder
			for _, line := range k.all() {
				word, _, _ := strings.Cut(line, " ")
				letters.WriteString(map[string]string{"connect": "C", "message": "M", "close": "L", "error": "E", "disconnect": "D", "attempt": "F"}[word])
				if line == "TWO AT ONCE" {
					letters.WriteString("!")
				}
			}
			if !callOrder.MatchString(letters.String()) {
				t.Errorf("seed %d: callbacks %s", seed, &letters)
			}
			if i := c.Info(); i.State != reconnect.Closed || i.Queued > o.Outbox.MaxMessages {
				t.Errorf("seed %d: %+v", seed, i)
			}
			if n := c.Info().Attempts; n > 200 {
				t.Errorf("seed %d: %d attempts", seed, n)
			}
		})
	}
}
