"""vCPUs that go their own way: each with its own place among the program's writes."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from migkit._engine.programs cimport Program, look, taken
from migkit._engine.writers cimport Writer


cdef bint make_vcpus(Vcpus *cpus, int count, Writer writer, int64_t ring_entries) noexcept nogil:
    cdef int index
    cdef Vcpu *vcpu
    cpus.all = <Vcpu *> calloc(count, sizeof(Vcpu))
    if cpus.all == NULL:
        return False
    cpus.count = count
    cpus.executing = True
    for index in range(count):
        vcpu = &cpus.all[index]
        vcpu.index = index
        vcpu.count = count
        vcpu.before = writer.before
        vcpu.lead_ns = writer.lead_ns
        vcpu.program = &writer.program
        if count > 1:
            vcpu.program = &vcpu.copy
            if not copy_program(&vcpu.copy, &writer.program):
                return False
        if ring_entries > 0:
            vcpu.ring = <int64_t *> malloc(<size_t> ring_entries * sizeof(int64_t))
            if vcpu.ring == NULL:
                return False
    return True


cdef bint copy_program(Program *into, const Program *program) noexcept nogil:
    """Copy a program with what it changes; what it only reads stays with the first."""
    cdef int64_t phase, bytes = program.n_phases * <int64_t> sizeof(int64_t)
    into[0] = program[0]
    if program.n_phases == 0:
        return True
    into.phases = <Program *> calloc(program.n_phases, sizeof(Program))
    into.clock_ns = <int64_t *> malloc(<size_t> bytes)
    if into.phases == NULL or into.clock_ns == NULL:
        return False
    memcpy(into.clock_ns, program.clock_ns, <size_t> bytes)
    for phase in range(program.n_phases):
        if not copy_program(&into.phases[phase], &program.phases[phase]):
            return False
    return True


cdef void free_copy(Program *program) noexcept:
    """Free what `copy_program` took."""
    cdef int64_t phase
    if program.n_phases == 0:
        return
    if program.phases != NULL:
        for phase in range(program.n_phases):
            free_copy(&program.phases[phase])
    free(program.phases)
    free(program.clock_ns)


cdef void free_vcpus(Vcpus *cpus) noexcept:
    cdef int index
    for index in range(cpus.count):
        free_copy(&cpus.all[index].copy)
        free(cpus.all[index].ring)
    free(cpus.all)


cdef bint next_write(Vcpu *vcpu, int64_t program_ns, int64_t *at, int64_t *page) noexcept nogil:
    while look(vcpu.program, program_ns + vcpu.lead_ns):
        if vcpu.count == 1 or (taken(vcpu.program) - vcpu.before) % vcpu.count == vcpu.index:
            at[0] = vcpu.program.ahead_ns - vcpu.lead_ns
            page[0] = vcpu.program.ahead_page
            return True
        vcpu.program.ahead = False
    return False


cdef void drop_write(Vcpu *vcpu) noexcept nogil:
    vcpu.program.ahead = False
