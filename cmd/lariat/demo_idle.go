package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// idleClients is how many clients are connected and say nothing.
const idleClients = 100

// idle connects clients that say nothing, and counts the goroutines of the
// process, in which both sides live. On Linux there are but a few for all.
func (d *demo) idle(ctx context.Context) (string, error) {
	for range idleClients {
		c, err := d.dialPath(ctx, "/echo", nil)
		if err != nil {
			return "", err
		}
		defer c.CloseNow() //nolint:errcheck // nothing is under way
	}
	n, err := d.goroutines(ctx)
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "linux" && n > idleClients/2 {
		return "", fmt.Errorf("there are %d goroutines for %d silent clients", n, idleClients)
	}
	return fmt.Sprintf("%d clients are connected and silent; server and clients together have %s",
		idleClients, count(int64(n), "goroutine")), nil
}

// goroutines waits until the server has all idle clients and no others, and the
// number of goroutines does not change any more, and returns it.
func (d *demo) goroutines(ctx context.Context) (int, error) {
	const still = 10 // milliseconds
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for last, same := 0, 0; ; {
		sessions, n := d.backend.sessions.Stats().Sessions, runtime.NumGoroutine()
		if same++; n != last || sessions != idleClients {
			last, same = n, 0
		}
		if same == still {
			return n, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("the server has %d sessions, not %d", sessions, idleClients)
		}
	}
}
