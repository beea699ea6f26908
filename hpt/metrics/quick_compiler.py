# mypy: ignore-errors
# (Numba's innards have no types)
"""A compiler for the kernel: Numba's, without what a program on whole numbers and addresses has no use for.

It takes about a third of the time of Numba's own, for code as fast. What is spared:

    passes      of Numba's twenty and more those for arrays, closures, literals, references and their counts
    types       what an operator means is looked up among all that Numba knows of arrays, dates and texts, at
                every place it stands; here what was found for the same types is found again
    parts       a function that only others call is neither optimised nor made machine code by itself; that is
                done to the whole, once
    debugging   sizes of variables, asked of LLVM one by one

Importing this imports Numba, and fails where a version of Numba does without what is used here.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from typing import ClassVar

from numba.core import cgutils, ir, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering, NoPythonBackend, NopythonTypeInference
from numba.core.typing import Context
from numba.core.untyped_passes import FixupArgs, TranslateByteCode

_PLAIN = (types.Integer, types.Boolean, types.CPointer)


@register_pass(mutates_CFG=False, analysis_only=False)
class _Simplify(FunctionPass):
    """Branches on what they test, not on `bool` of it; and for a variable that holds other things besides a
    constant, a name for that constant, since the type of a constant's name is fixed.
    """

    _name = "hpt_simplify"

    def __init__(self):
        super().__init__()

    def run_pass(self, state):
        blocks = state.func_ir.blocks.values()
        assigned = Counter(each.target.name for block in blocks for each in block.find_insts(ir.Assign))
        for block in blocks:
            self._test_directly(block)
            body = []
            for each in block.body:
                if (
                    isinstance(each, ir.Assign)
                    and isinstance(each.value, (ir.Const, ir.Global))
                    and assigned[each.target.name] > 1
                ):
                    constant = each.target.scope.redefine("$constant", each.loc)
                    body.append(ir.Assign(each.value, constant, each.loc))
                    each = ir.Assign(constant, each.target, each.loc)
                body.append(each)
            block.body = body
        return True

    @staticmethod
    def _test_directly(block):
        branch = block.terminator
        if not isinstance(branch, ir.Branch):
            return
        found = {each.target.name: each for each in block.find_insts(ir.Assign)}
        test = found.get(branch.cond.name)
        if test is None or not isinstance(test.value, ir.Expr) or test.value.op != "call":
            return
        function = found.get(test.value.func.name)
        if function is not None and isinstance(function.value, ir.Global) and function.value.value is bool:
            branch.cond = test.value.args[0]
            block.remove(test)
            block.remove(function)


@functools.cache
def _call_type(function, typing_context, args):
    return function.get_call_type(typing_context, args, {})


class _Lower(Lower):
    """Without notes for a debugger, a thought for what a variable held before, or a second look for what an
    operator means.
    """

    def lower_inst(self, inst):
        if isinstance(inst, ir.Assign):
            name = inst.target.name
            self.storevar(self.lower_assign(self.typeof(name), inst), name)
        else:
            super().lower_inst(inst)

    def lower_binop(self, result_type, expr, operation):
        return self._apply(operation, self.fndesc.calltypes[expr], result_type, expr.lhs, expr.rhs)

    def lower_getitem(self, result_type, expr, value, index, signature):
        return self._apply(operator.getitem, signature, result_type, value, index)

    def _apply(self, operation, signature, result_type, *operands):
        function = self.context.typing_context.resolve_value_type(operation)
        resolved = _call_type(function, self.context.typing_context, signature.args)
        values = [
            self.context.cast(self.builder, self.loadvar(each.name), self.typeof(each.name), wanted)
            for each, wanted in zip(operands, signature.args, strict=True)
        ]
        result = self.context.get_function(function, resolved)(self.builder, values)
        return self.context.cast(self.builder, result, signature.return_type, result_type)

    def storevar(self, value, name, argidx=None):
        if name in self._singly_assigned_vars:
            self._blk_local_varmap[name] = value
        else:
            self._alloca_var(name, self.typeof(name))
            self.builder.store(value, self.getvar(name))

    def alloca_lltype(self, name, lltype, datamodel=None):
        return cgutils.alloca_once(self.builder, lltype, name=name, zfill=False)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "hpt_lowering"

    @property
    def lowering_class(self):
        return _Lower


class _Whole(JITCodeLibrary):
    """An entry and all that it calls: optimised together, once."""

    def _optimize_functions(self, module):
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)


class _Part(_Whole):
    """A function that is only called by others: raw material for them, without machine code."""

    def _optimize_final_module(self):
        pass

    def _finalize_final_module(self):
        self._finalized = True

    def get_pointer_to_function(self, name):
        return 0

    @property
    def codegen(self):
        return self

    def set_env(self, name, environment):
        """There is no code yet that could see it."""


class _Typing(Context):
    """Numba's own context of types, which here remembers."""

    _signatures: ClassVar = {}

    def __init__(self, context):
        self.__dict__ = context.__dict__

    def resolve_function_type(self, func, args, kws):
        if kws or not all(isinstance(each, _PLAIN) for each in args):
            return super().resolve_function_type(func, args, kws)
        key = func, tuple(args)
        if key not in self._signatures:
            self._signatures[key] = super().resolve_function_type(func, args, kws)
        return self._signatures[key]


class QuickCompiler(CompilerBase):
    """For `njit(pipeline_class=...)`."""

    def define_pipelines(self):
        state = self.state
        state.typingctx = _Typing(state.typingctx)
        library = _Part if state.flags.no_cpython_wrapper else _Whole
        state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        manager = PassManager("quick")
        for each in (
            TranslateByteCode,
            FixupArgs,
            _Simplify,
            NopythonTypeInference,
            _Lowering,
            NoPythonBackend,
        ):
            manager.add_pass(each, each.name())
        manager.finalize()
        return [manager]
