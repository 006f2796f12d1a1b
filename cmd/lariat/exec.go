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
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

const (
	execLine  = 1 << 20          // longest line of a process, in bytes
	execQueue = 64 << 10         // lines that wait for a process, in bytes
	execGrace = 2 * time.Second  // for a process to end after its input has
	execStall = 30 * time.Second // for a process to take a line
)

// program is a connection with a process of its own. Messages become lines of
// its input, its lines become text messages, or binary ones where they are not
// UTF-8. The end of the one is the end of the other.
type program struct {
	*connection
	env      []string
	p        *process
	relieved chan struct{} // the client has taken what it was sent
	over     chan struct{} // closed by Terminate
	served   chan struct{} // closed when serve has ended
	release  func() bool   // of the context that kills the process

	mu      sync.Mutex
	input   []byte // lines for the process
	feeding bool   // somebody writes them
}

func newProgram(c *connection, r *http.Request) *program {
	return &program{
		connection: c,
		env: []string{
			"LARIAT_REMOTE=" + r.RemoteAddr,
			"LARIAT_PATH=" + r.URL.Path,
			"LARIAT_QUERY=" + r.URL.RawQuery,
		},
		relieved: make(chan struct{}, 1),
		over:     make(chan struct{}),
		served:   make(chan struct{}),
	}
}

// Init starts the process.
func (c *program) Init(s *server.Session) {
	c.connection.Init(s)
	p, err := startProcess(c.b.exec, append(c.env, "LARIAT_SUBPROTOCOL="+s.Subprotocol()))
	if err != nil {
		c.b.log.Error("problem", "remote", c.remote, "error", err.Error())
		_ = s.Close(websocket.StatusInternalError, "the program cannot be started")
		return
	}
	c.p, c.release = p, context.AfterFunc(c.b.ctx, p.kill)
	go c.serve(s)
}

// serve sends the lines of the process, and ends the session when the process
// has ended.
func (c *program) serve(s *server.Session) {
	defer close(c.served)
	if err := c.send(s); !errors.Is(err, server.ErrOver) {
		_ = s.Close(c.p.verdict(err))
	}
}

// send sends the lines of the process until it closes its output.
func (c *program) send(s *server.Session) error {
	for {
		line, err := c.p.line()
		if err != nil && (err != io.EOF || len(line) == 0) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		send := s.TextBytes
		if !utf8.Valid(line) {
			send = s.Binary
		}
		if err := c.sent(len(line), send(line)); err != nil {
			return err
		}
		for s.Congested() {
			select {
			case <-c.relieved:
			case <-c.over:
				return server.ErrOver
			}
		}
	}
}

// Relieved lets send go on.
func (c *program) Relieved(*server.Session) {
	select {
	case c.relieved <- struct{}{}:
	default:
	}
}

// Message leaves a line to feed. While too many wait, nothing more is read.
func (c *program) Message(s *server.Session, m websocket.Message) {
	c.connection.Message(s, m)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.input = append(append(c.input, m.Data...), '\n')
	if len(c.input) > execQueue {
		s.SetActive(false)
	}
	if !c.feeding {
		c.feeding = true
		go c.feed(s)
	}
}

// feed writes lines to the process until none is left. The callbacks do not
// wait for it: what the process says is still sent.
func (c *program) feed(s *server.Session) {
	for {
		c.mu.Lock()
		lines := c.input
		c.input = nil
		c.feeding = len(lines) > 0
		if len(lines) > execQueue {
			s.SetActive(true)
		}
		c.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		// A process that has closed its input may still write: go on until it
		// ends. One that takes nothing is stuck.
		_ = c.p.in.SetWriteDeadline(time.Now().Add(execStall))
		if _, err := c.p.in.Write(lines); errors.Is(err, os.ErrDeadlineExceeded) {
			_ = s.Close(websocket.StatusInternalError, "the program does not read its input")
			return
		}
	}
}

// Terminate ends the process.
func (c *program) Terminate(s *server.Session, r server.Reason) {
	if c.p != nil {
		close(c.over)
		c.p.end()
		<-c.served
		c.release()
	}
	c.connection.Terminate(s, r)
}

// process is a program that runs for a connection.
type process struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *bufio.Reader
	read   *os.File      // the end of the pipe that out reads
	exited chan struct{} // closed when it has ended, with err
	err    error
}

func startProcess(command string, env []string) (*process, error) {
	cmd := shell(command)
	cmd.Env = append(os.Environ(), env...)
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
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(read), read: read, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
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
		if errors.Is(failed, errLongLine) {
			return websocket.StatusInternalError, failed.Error()
		}
		return websocket.StatusInternalError, "the program's output cannot be sent"
	}
	p.wait()
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return websocket.StatusNormalClosure, "the program has ended"
	case errors.As(p.err, &exit) && exit.Exited():
		return websocket.StatusInternalError, fmt.Sprintf("the program has ended with exit code %d", exit.ExitCode())
	}
	return websocket.StatusInternalError, "the program was killed"
}

// wait waits for the process to end, and after a while kills it.
func (p *process) wait() {
	stop := time.AfterFunc(execGrace, p.kill)
	<-p.exited
	stop.Stop()
	p.kill() // what it has left behind in its group
}

// end ends the process, beginning with its input.
func (p *process) end() {
	_ = p.in.Close()
	p.wait()
	_ = p.read.Close()
}
