/**
 * For x86 guests under emulation: on a busy host an emulated timer can be late enough for the kernel to call it broken
 * and to panic (check_timer(), arch/x86/kernel/apic/io_apic.c).
 */
export const TRUST_TIMER = 'no_timer_check';
