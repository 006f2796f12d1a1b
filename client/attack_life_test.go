package client_test

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/wstest"
)

// R5, S3.10: with no wait between retries, a server that accepts and hangs up is
// still tried a bounded number of times.
func TestAttackHangsUp(t *testing.T) {
	for _, o := range []client.Options{
		{RetryTimeout: -1},
		{RetryTimeout: time.Nanosecond},
		{RetryFunc: func(left int, _ error) (int, time.Duration) { return left - 1, 0 }, RetryTimeout: -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var ln *wstest.Listener
			stop := make(chan struct{})
			ln = newVillain(t, func(v *villain) {
				if v.n == 100 {
					close(stop)
				}
			})
			c := open(t, ln, &o)
			select {
			case <-c.Done():
				if n := ln.Dials(); n != 6 {
					t.Errorf("RetryTimeout %v: %d connections, want 6", o.RetryTimeout, n)
				}
			case <-stop:
				t.Errorf("RetryTimeout %v: 100 connections, and no end: want 6", o.RetryTimeout)
			}
		})
	}
}

// flood upgrades the connection and sends messages without end.
func flood(v *villain, text string) {
	r, err := v.request()
	if err != nil {
		return
	}
	v.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", acceptKey(r))
	if name := r.Header.Get("Sec-WebSocket-Protocol"); name != "" {
		v.say("Sec-WebSocket-Protocol: %s\r\n", name)
	}
	v.say("\r\n")
	go v.idle()
	p := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.OpText}, []byte(text))
	for {
		if _, err := v.Write(p); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond) // the clock of a bubble has to get on
	}
}

// R13 and the like: an owner who does not look gets no more than the channel has
// room for, whatever the server sends; Shutdown and Close end it all.
func TestAttackFlood(t *testing.T) {
	for _, end := range []string{"Close", "Shutdown", "Owner.Close", "CloseNow"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newVillain(t, func(v *villain) { flood(v, strings.Repeat("x", 1000)) })
				o := client.NewOwner(4)
				c := open(t, ln, &client.Options{Owner: o, Retry: -1})
				s, err := c.Upgrade(t.Context(), "/", nil)
				if err != nil {
					t.Fatal(err)
				}
				before := inUse()
				time.Sleep(time.Minute)
				if after := inUse(); after > before+1<<20 {
					t.Errorf("%d KiB more are in use", (after-before)>>10)
				}
				switch start := time.Now(); end {
				case "Close":
					c.Close()
					if since(start) > time.Second {
						t.Errorf("Close took %v", since(start))
					}
				case "Shutdown":
					c.Shutdown(t.Context())
					if since(start) > 16*time.Second {
						t.Errorf("Shutdown took %v", since(start))
					}
				case "Owner.Close":
					o.Close()
				case "CloseNow":
					s.CloseNow()
				}
				if after := inUse(); after > before+1<<20 {
					t.Errorf("%d KiB more are in use after %s", (after-before)>>10, end)
				}
				o.Close()
				for range o.C {
				}
				<-c.Done()
			})
		})
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// Required of R1 to R15: 500 lives on real sockets leave no goroutine and no
// descriptor behind.
func TestAttackManyLives(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, tcp, site())
	var fds, goroutines int
	for i := range 500 {
		if i == 20 {
			fds, goroutines = inProcess()
		}
		p := client.HTTP1
		if i%2 == 1 {
			p = client.HTTP2
		}
		c, err := client.Open(tcp.Addr().String(), &client.Options{Protocols: []client.Protocol{p}})
		if err != nil {
			t.Fatal(err)
		}
		if i%5 != 0 { // else it is not up when it ends
			s, err := c.Upgrade(t.Context(), "/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			echo(t, s, "hello")
		}
		if i%3 == 0 {
			err = c.Close()
		} else {
			err = c.Shutdown(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitInProcess(t, fds, goroutines)
}
