package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"

	"github.com/lariat-go/websocket/server"
)

// statsOnSignal logs a line of statistics at each SIGUSR1, on systems that have
// it, until the function that it returns is called.
func (b *backend) statsOnSignal() (stop func()) {
	ch := make(chan os.Signal, 1)
	for _, s := range statsSignals() {
		signal.Notify(ch, s)
	}
	go func() {
		for range ch {
			b.logStats()
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
	}
}

func (b *backend) logStats() {
	st := b.sessions.Stats()
	var ended []any
	for k, n := range st.Ended {
		if n > 0 {
			ended = append(ended, slog.Int64(strings.ReplaceAll(server.ReasonKind(k).String(), " ", "_"), n))
		}
	}
	b.log.LogAttrs(context.Background(), slog.LevelInfo, "stats",
		slog.Int64("sessions", st.Sessions),
		slog.Int64("idle", st.Idle),
		slog.Int64("opened", st.Opened),
		slog.Int64("refused", st.Refused),
		slog.Int64("in_messages", st.MessagesIn),
		slog.Int64("in_bytes", st.BytesIn),
		slog.Int64("out_messages", st.MessagesOut),
		slog.Int64("out_bytes", st.BytesOut),
		slog.Int64("dropped", st.Dropped),
		slog.Group("ended", ended...),
	)
}
