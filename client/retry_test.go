package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/wstest"
)

// journal notes when events come, and which.
func journal(start time.Time, o *client.Owner, until func(client.Event) bool) []string {
	var lines []string
	for ev := range o.C {
		at := fmt.Sprint(since(start), " ")
		switch ev := ev.(type) {
		case client.Attempt:
			lines = append(lines, fmt.Sprint(at, "attempt ", ev.N, " left ", ev.Left))
		case client.AttemptFailed:
			lines = append(lines, fmt.Sprint(at, "failed ", ev.N, " wait ", ev.Wait))
		case client.Up:
			lines = append(lines, at+"up")
		case client.Down:
			lines = append(lines, fmt.Sprint(at, "down ", ev.Killed, " wait ", ev.Wait))
		case client.GaveUp:
			lines = append(lines, at+"gave up")
		case client.Upgraded:
			lines = append(lines, at+"upgraded")
		case client.Closed:
			lines = append(lines, fmt.Sprint(at, "closed ", ev.Err.Code))
		}
		if until(ev) {
			break
		}
	}
	return lines
}

func isGaveUp(ev client.Event) bool {
	_, ok := ev.(client.GaveUp)
	return ok
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events:\n%q\nwant:\n%q", got, want)
	}
}

// S3.8, S3.10, C11: five retries, five seconds apart, and then the end.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		ln.Down(nil)
		start := time.Now()
		o := client.NewOwner(100)
		c := open(t, ln, &client.Options{Owner: o})
		same(t, journal(start, o, isGaveUp), []string{
			"0s attempt 1 left 5", "0s failed 1 wait 5s",
			"5s attempt 2 left 4", "5s failed 2 wait 5s",
			"10s attempt 3 left 3", "10s failed 3 wait 5s",
			"15s attempt 4 left 2", "15s failed 4 wait 5s",
			"20s attempt 5 left 1", "20s failed 5 wait 5s",
			"25s attempt 6 left 0", "25s failed 6 wait -1ns",
			"25s gave up",
		})
		e := gaveUp(t, c)
		if e.Attempts != 6 || e.Fatal || !errors.Is(e, syscall.ECONNREFUSED) {
			t.Errorf("%+v", e)
		}
		if _, err := c.AwaitUp(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("AwaitUp: %v", err)
		}
		if i := c.Info(); i.State != client.Over || i.Attempt != 6 || i.RetriesLeft != 0 {
			t.Errorf("Info: %+v", i)
		}
	})
}

// S0.24: a negative Retry means one attempt, and no other connection after it.
func TestNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newNet(t, site())
		ln.Down(nil)
		never := func(int, error) (int, time.Duration) {
			t.Error("RetryFunc was called") // S3.9: never when there are none
			return 0, 0
		}
		c := open(t, ln, &client.Options{Retry: -1, RetryFunc: never})
		if e := gaveUp(t, c); e.Attempts != 1 || ln.Dials() != 1 {
			t.Errorf("%d attempts, %d dials", e.Attempts, ln.Dials())
		}
		ln.Up()
		c = open(t, ln, &client.Options{Retry: -1, RetryFunc: never})
		up(t, c)
		ln.Cut()
		if e := gaveUp(t, c); e.Attempts != 0 || ln.Dials() != 2 {
			t.Errorf("%+v, %d dials", e, ln.Dials())
		}
	})
}

// S3.9: the function decides about the number and the wait; after it has returned
// 0 there is one last attempt.
func TestRetryFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.NewListener(nil)
		ln.Down(nil)
		var asked []int
		start := time.Now()
		o := client.NewOwner(100)
		open(t, ln, &client.Options{Owner: o, Retry: 7, RetryFunc: func(left int, err error) (int, time.Duration) {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("asked with %v", err)
			}
			asked = append(asked, left)
			if left == 7 {
				return 2, time.Minute
			}
			return left - 2, time.Hour
		}})
		same(t, journal(start, o, isGaveUp), []string{
			"0s attempt 1 left 7", "0s failed 1 wait 1m0s",
			"1m0s attempt 2 left 2", "1m0s failed 2 wait 1h0m0s",
			"1h1m0s attempt 3 left 0", "1h1m0s failed 3 wait -1ns",
			"1h1m0s gave up",
		})
		if !slices.Equal(asked, []int{7, 2}) {
			t.Errorf("asked with %v left", asked)
		}
	})
}

// Retries are counted anew after a connection that lived, which is made again at
// once (Gun); one that did not counts as a failed attempt.
func TestRetriesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newNet(t, site())
		start := time.Now()
		o := client.NewOwner(100)
		open(t, ln, &client.Options{Owner: o, Retry: 2})
		ups := 0
		same(t, journal(start, o, func(ev client.Event) bool {
			if _, ok := ev.(client.Up); ok {
				ups++
				if ups == 1 || ups == 4 {
					synctest.Wait()
					time.Sleep(5 * time.Second) // of the bubble
				}
				if ups == 4 {
					ln.Down(nil)
				}
				ln.Cut()
			}
			return isGaveUp(ev)
		}), []string{
			"0s attempt 1 left 2", "0s up", "5s down [] wait 0s",
			"5s attempt 1 left 2", "5s up", "5s down [] wait 5s",
			"10s attempt 2 left 1", "10s up", "10s down [] wait 5s",
			"15s attempt 3 left 0", "15s up", "20s down [] wait 0s",
			"20s attempt 1 left 2", "20s failed 1 wait 5s",
			"25s attempt 2 left 1", "25s failed 2 wait 5s",
			"30s attempt 3 left 0", "30s failed 3 wait -1ns",
			"30s gave up",
		})
	})
}

// C2, S1.16: a connection that is lost is made again, and its owner, who is told,
// upgrades again.
func TestUpgradeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newNet(t, site())
		start := time.Now()
		o := client.NewOwner(100)
		c := open(t, ln, &client.Options{Owner: o})
		ups := 0
		same(t, journal(start, o, func(ev client.Event) bool {
			switch ev.(type) {
			case client.Up:
				ups++
				go func() {
					if _, err := c.Upgrade(t.Context(), "/ws", nil); err != nil {
						t.Error(err)
					}
				}()
			case client.Upgraded:
				if ups == 2 {
					return true
				}
				time.Sleep(time.Minute) // of the bubble
				ln.Cut()
			}
			return false
		}), []string{
			"0s attempt 1 left 5", "0s up", "0s upgraded",
			fmt.Sprint("1m0s closed ", websocket.StatusAbnormalClosure), "1m0s down [1] wait 0s",
			"1m0s attempt 1 left 5", "1m0s up", "1m0s upgraded",
		})
	})
}

// A server that ends each connection with its response is asked again at once,
// as often as there are requests.
func TestConnectionClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newNet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, r.URL.Path)
		}))
		c := open(t, ln, &client.Options{Retry: 1})
		start := time.Now()
		for range 10 {
			if body, err := get(t, c, "/a"); err != nil || body != "/a" {
				t.Fatalf("%q, %v", body, err)
			}
		}
		if since(start) > 0 || ln.Dials() < 10 {
			t.Errorf("took %v, %d connections", since(start), ln.Dials())
		}
	})
}
