package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"
	"unicode/utf8"

	"github.com/lariat-go/websocket"
)

const (
	execLine  = 1 << 20          // longest line of a process, in bytes
	execGrace = 2 * time.Second  // for a process to end after its input has
	execStall = 30 * time.Second // for a process to take a line
)

// runProcess gives a connection a process of its own. Messages become lines of
// its input, its lines become text messages, or binary ones where they are not
// UTF-8. The end of the one is the end of the other.
func (b *backend) runProcess(ctx context.Context, l *link, r *http.Request) error {
	p, err := startProcess(b.exec, r, l.Subprotocol())
	if err != nil {
		b.log.Error("problem", "remote", r.RemoteAddr, "error", err.Error())
		_ = l.Close(websocket.StatusInternalError, "the program cannot be started")
		return err
	}
	defer context.AfterFunc(ctx, p.kill)()
	toPeer := make(chan error, 1)
	go func() { toPeer <- p.send(ctx, l) }()
	toProcess := make(chan error, 1)
	go func() { toProcess <- p.feed(ctx, l) }()

	select {
	case err = <-toProcess: // the connection has ended
		p.end(toPeer)
	case failed := <-toPeer: // the process has closed its output
		code, reason := p.verdict(failed)
		go l.Close(code, reason) //nolint:errcheck // feed sees it
		err = <-toProcess
		_ = p.in.Close()
		_ = p.read.Close()
	}
	return err
}

// process is a program that runs for a connection.
type process struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *bufio.Reader
	read *os.File // the end of the pipe that out reads
}

func startProcess(command string, r *http.Request, subprotocol string) (*process, error) {
	cmd := shell(command)
	cmd.Env = append(os.Environ(),
		"LARIAT_REMOTE="+r.RemoteAddr,
		"LARIAT_PATH="+r.URL.Path,
		"LARIAT_QUERY="+r.URL.RawQuery,
		"LARIAT_SUBPROTOCOL="+subprotocol,
	)
	cmd.Stderr = os.Stderr
	// Pipes of our own: those of exec.Cmd are closed by Wait, also when lines
	// are left in them, and have no deadlines.
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	read, stdout, err := os.Pipe()
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	defer stdout.Close()
	cmd.Stdin, cmd.Stdout = stdin, stdout
	if err := cmd.Start(); err != nil {
		_ = in.Close()
		_ = read.Close()
		return nil, err
	}
	return &process{cmd: cmd, in: in, out: bufio.NewReader(read), read: read}, nil
}

// feed writes messages to the process until the connection ends.
func (p *process) feed(ctx context.Context, l *link) error {
	var buf []byte
	for {
		var err error
		if _, buf, err = l.read(ctx, buf); err != nil {
			return err
		}
		// A process that has closed its input may still write: go on until it
		// ends. One that takes nothing is stuck.
		_ = p.in.SetWriteDeadline(time.Now().Add(execStall))
		if _, err := p.in.Write(append(buf, '\n')); errors.Is(err, os.ErrDeadlineExceeded) {
			_ = l.Close(websocket.StatusInternalError, "the program does not read its input")
			return err
		}
	}
}

// send sends the lines of the process until it closes its output.
func (p *process) send(ctx context.Context, l *link) error {
	for {
		line, err := p.line()
		if err != nil && (err != io.EOF || len(line) == 0) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		t := websocket.MessageText
		if !utf8.Valid(line) {
			t = websocket.MessageBinary
		}
		if err := l.write(ctx, t, line); err != nil {
			return err
		}
	}
}

var errLongLine = errors.New("a line of the program is longer than 1 MiB")

// line returns the next line without its end.
func (p *process) line() ([]byte, error) {
	var line []byte
	for {
		piece, err := p.out.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > execLine:
			return nil, errLongLine
		case err == bufio.ErrBufferFull:
			continue
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), err
	}
}

// verdict waits for a process that has closed its output and gives the close
// code for its exit.
func (p *process) verdict(failed error) (websocket.StatusCode, string) {
	if failed != nil {
		p.kill()
		_ = p.cmd.Wait()
		if errors.Is(failed, errLongLine) {
			return websocket.StatusInternalError, failed.Error()
		}
		return websocket.StatusInternalError, "the program's output cannot be sent"
	}
	stop := time.AfterFunc(execGrace, p.kill)
	defer stop.Stop()
	err := p.cmd.Wait()
	p.kill() // what it has left behind in its group
	var exit *exec.ExitError
	switch {
	case err == nil:
		return websocket.StatusNormalClosure, "the program has ended"
	case errors.As(err, &exit) && exit.Exited():
		return websocket.StatusInternalError, fmt.Sprintf("the program has ended with exit code %d", exit.ExitCode())
	}
	return websocket.StatusInternalError, "the program was killed"
}

// end ends the process: its input is closed, and after a while it is killed.
// sending gives the result of send.
func (p *process) end(sending <-chan error) {
	_ = p.in.Close()
	stop := time.AfterFunc(execGrace, p.kill)
	_ = p.cmd.Wait()
	stop.Stop()
	p.kill() // what it has left behind in its group
	_ = p.read.Close()
	<-sending
}
