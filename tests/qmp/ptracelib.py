"""Have a thread of another process make a system call, by ptrace: the call runs where and as that thread would make it.

    with Traced(pid, tid) as thread:            # it must be ours to trace: a child, or we are root
        thread.call(39)                         # its result; Ended when the call ended the process, .signal says how

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ctypes
import os
import signal

ATTACH, DETACH, GETREGS, SETREGS, SINGLESTEP = 16, 17, 12, 13, 9
WAIT_ALL = 0x40000000
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()
SYSCALL = b"\x0f\x05"

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


class Ended(Exception):
    def __init__(self, status):
        super().__init__(f"status {status:#x}")
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def ptrace(request, tid, data=None):
    if libc.ptrace(request, tid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def instruction(pid):
    """Where "syscall" stands in the process: in the page of the kernel's own (vdso)."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            if line.rstrip().endswith("[vdso]"):
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                mem.seek(start)
                at = mem.read(end - start).find(SYSCALL)
                if at >= 0:
                    return start + at
    raise LookupError("no syscall instruction in the vdso")


class Traced:
    def __init__(self, pid, tid):
        self.tid, self.at, self.gone = tid, instruction(pid), False

    def __enter__(self):
        ptrace(ATTACH, self.tid)
        os.waitpid(self.tid, WAIT_ALL)
        self.saved = Registers()
        ptrace(GETREGS, self.tid, ctypes.addressof(self.saved))
        return self

    def __exit__(self, kind, value, trace):
        if not self.gone:
            ptrace(SETREGS, self.tid, ctypes.addressof(self.saved))
            ptrace(DETACH, self.tid)

    def step(self):
        """Until it stands after the instruction; a signal that comes in between is not delivered."""
        while True:
            ptrace(SINGLESTEP, self.tid)
            _, status = os.waitpid(self.tid, WAIT_ALL)
            if not os.WIFSTOPPED(status):
                self.gone = True
                raise Ended(status)
            if os.WSTOPSIG(status) == signal.SIGTRAP:
                return

    def call(self, number, *args):
        regs = Registers.from_buffer_copy(self.saved)
        regs.rip, regs.rax, regs.orig_rax = self.at, number, 2 ** 64 - 1
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), args):
            setattr(regs, name, value % 2 ** 64)
        ptrace(SETREGS, self.tid, ctypes.addressof(regs))
        self.step()
        ptrace(GETREGS, self.tid, ctypes.addressof(regs))
        return ctypes.c_longlong(regs.rax).value
